"""
Relevance: what each pixel brought to a class's score, shared out backwards layer by layer.

=======  ======================================================================
graph    questions about the forward graph; folding of batch normalisation
linear   the rules of linear layers
lrp      layer-wise relevance propagation
rap      relative attributing propagation
build    the models of both
=======  ======================================================================
"""

from __future__ import annotations

from dccausal.gradients.relevance.build import relevance_model
from dccausal.gradients.relevance.lrp import PRESETS, LrpRules

__all__ = ["PRESETS", "LrpRules", "relevance_model"]
