"""
The rules of the backward pass, a file a family.

==============  ========================================================================
book            the book that the others write into
elementwise     functions of one number
arithmetic      sums, products and choices with broadcasting
products        matrix products
conv            convolutions, and the windows that they slide (``windows``)
pool            pools
reduce          reductions over axes, softmax
norm            normalisations
shape           reshaping, joining, cutting, padding
index           gathering and scattering
resize          interpolation
quantise        quantised operations, straight through
==============  ========================================================================
"""

from __future__ import annotations

from dccausal.gradients.rules import (
    arithmetic,
    conv,
    elementwise,
    index,
    norm,
    pool,
    products,
    quantise,
    reduce,
    resize,
    shape,
)
from dccausal.gradients.rules.book import FLAT, GRADIENT, RuleBook, rule

__all__ = [
    "FLAT",
    "GRADIENT",
    "RuleBook",
    "arithmetic",
    "conv",
    "elementwise",
    "index",
    "norm",
    "pool",
    "products",
    "quantise",
    "reduce",
    "resize",
    "rule",
    "shape",
]
