"""Other methods of explanation, with growth and extraction as here."""

from typing import TYPE_CHECKING

from dccausal._shared.lazy import lazily

if TYPE_CHECKING:
    from dccausal.methods.by_name import explain_with
    from dccausal.methods.drise import DriseOptions
    from dccausal.methods.hsic import HsicOptions
    from dccausal.methods.lime import LimeOptions
    from dccausal.methods.occlusion import OcclusionOptions
    from dccausal.methods.partition import PartitionOptions
    from dccausal.methods.random import RandomOptions
    from dccausal.methods.registry import METHODS, Method
    from dccausal.methods.rise import RiseOptions
    from dccausal.methods.sbfl import SbflOptions
    from dccausal.methods.shap import KernelShapOptions
    from dccausal.methods.sobol import SobolOptions

_HOMES = {
    "METHODS": "registry",
    "Method": "registry",
    "explain_with": "by_name",
    "DriseOptions": "drise",
    "HsicOptions": "hsic",
    "KernelShapOptions": "shap",
    "LimeOptions": "lime",
    "OcclusionOptions": "occlusion",
    "PartitionOptions": "partition",
    "RandomOptions": "random",
    "RiseOptions": "rise",
    "SbflOptions": "sbfl",
    "SobolOptions": "sobol",
}

__all__ = [
    "METHODS",
    "DriseOptions",
    "HsicOptions",
    "KernelShapOptions",
    "LimeOptions",
    "Method",
    "OcclusionOptions",
    "PartitionOptions",
    "RandomOptions",
    "RiseOptions",
    "SbflOptions",
    "SobolOptions",
    "explain_with",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
