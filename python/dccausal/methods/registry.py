"""
Other methods than the causal search, behind one call: the same engine, the same extraction, the same result.

Each method finds a heatmap by masking the image in its own way. Growth, shrinking, the last check, files and
pictures are those of ``explain``, so that what differs between two results is what the methods found.

=================  ===============================================================================  ===========
name               heatmap                                                                          options
=================  ===============================================================================  ===========
dc-causal          responsibility (``explain``, profile "default")                                  ``Profile``
dc-causal-fast     the same, profile "fast"                                                        ``Profile``
dc-causal-paper    the same with the paper's settings                                               ``Profile``
sbfl-tarantula     statistical fault localisation, by four measures of suspiciousness               SBFL
sbfl-zoltar        as above                                                                         SBFL
sbfl-ochiai        as above                                                                         SBFL
sbfl-wong2         as above                                                                         SBFL
rise               mean of random smooth masks, weighted by the score                               RISE
d-rise             the same for the box of a detector, by its authors' settings                     DRISE
occlusion          mean drop of the score under a sliding window                                    occlusion
random             a random order of the pixels                                                     none
lime               weights of a linear model over segments (extra ``rivals``)                       LIME
kernel-shap        Shapley values of segments (extra ``rivals``)                                    KernelSHAP
partition-shap     Owen values over a hierarchy of rectangles                                       Partition
hsic               dependence of the score on each cell's visibility                                Hsic
sobol              share of the score's variance that each cell has part in (extra ``rivals``)      Sobol
gradient           how steeply the logit grows with each pixel (this and below: ONNX models only)   Gradient
input-x-gradient   the input times the gradient                                                     none
integrated-...     gradients integrated along a line from the baseline                              Integrated
guided-backprop    gradient of which only what argues for the label passes a ReLU                   none
grad-cam           last feature maps, weighted by the mean gradient of each                         Cam
hires-cam          last feature maps times their gradient                                           Cam
lrp                relevance shared out backwards, layer by layer                                   Lrp
rap                relevance for and against by relative influence                                  none
extremal           the smooth mask of a fixed area that keeps the logit highest                     Extremal
=================  ===============================================================================  ===========
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from dccausal.engine.finder import HeatmapSearch, MakeSearch
from dccausal.engine.findings import Findings
from dccausal.engine.profiles import PROFILES, Profile
from dccausal.errors import OptionError
from dccausal.methods.drise import DriseOptions, DriseSearch
from dccausal.methods.gradient.cam import CamOptions, CamSearch
from dccausal.methods.gradient.extremal import ExtremalOptions, ExtremalSearch
from dccausal.methods.gradient.integrated import IntegratedOptions, IntegratedSearch
from dccausal.methods.gradient.relevance import LrpOptions, LrpSearch, RapOptions, RapSearch
from dccausal.methods.gradient.slope import (
    GradientOptions,
    GradientSearch,
    GuidedOptions,
    GuidedSearch,
    InputTimesGradientOptions,
    InputTimesGradientSearch,
)
from dccausal.methods.hsic import HsicOptions, HsicSearch
from dccausal.methods.lime import LimeOptions, LimeSearch
from dccausal.methods.occlusion import OcclusionOptions, OcclusionSearch
from dccausal.methods.partition import PartitionOptions, PartitionSearch
from dccausal.methods.random import RandomOptions, RandomSearch
from dccausal.methods.rise import RiseOptions, RiseSearch
from dccausal.methods.sbfl import MEASURES, SbflOptions, SbflSearch
from dccausal.methods.shap import KernelShapOptions, KernelShapSearch
from dccausal.methods.sobol import SobolOptions, SobolSearch

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
]


@dataclass(frozen=True)
class Method:
    """
    A way to find a heatmap.

    Attributes
    ----------
    name
        As ``explain_with`` takes it.
    summary
        What it does, in a line.
    options
        The class of its options; its fields are the keywords that ``explain_with`` takes for the method.
    defaults
        Their values where they are not given.
    needs_scores
        Whether a classifier that returns labels only is refused.
    extra
        The extra of the package that has to be installed; None where the base package suffices.
    needs_gradients
        Whether it looks into the model, so that only an ``OnnxClassifier`` will do.

    """

    name: str
    summary: str
    options: type[Any]
    defaults: Mapping[str, Any]
    needs_scores: bool
    extra: str | None
    needs_gradients: bool
    _make: Callable[..., HeatmapSearch] | None

    def check(self, **options: Any) -> Any:
        """
        Return the options as an instance of ``Method.options``.

        Raises
        ------
        OptionError
            If the method has no such option, or a value is out of its range.

        """
        unknown = sorted(options.keys() - self.defaults.keys())
        if unknown:
            known = f"one of {', '.join(self.defaults)} is needed" if self.defaults else "it has none"
            raise OptionError(f"method {self.name!r} was given the option {unknown[0]!r}; {known}")
        return self.options(**{**self.defaults, **options})

    def make_search(self, **more: Any) -> MakeSearch | None:
        """Return what makes the search, of ``seed`` and ``options`` as ``check`` returns; None where the plan does."""
        return None if self._make is None else functools.partial(self._make, **more)


def _causal(name: str, summary: str, profile: Profile) -> Method:
    defaults = MappingProxyType(dataclasses.asdict(profile))
    return Method(name, summary, Profile, defaults, False, None, False, None)


def _method(
    name: str,
    summary: str,
    options: type[Any],
    search: Callable[..., HeatmapSearch],
    *,
    needs_scores: bool = True,
    extra: str | None = None,
    needs_gradients: bool = False,
) -> Method:
    def make(findings: Findings, budget: int | None, **more: Any) -> HeatmapSearch:
        return search(findings.view, findings.target, budget, **more)

    defaults = MappingProxyType(dataclasses.asdict(options()))
    return Method(name, summary, options, defaults, needs_scores, extra, needs_gradients, make)


def _sbfl(measure: str) -> Method:
    search = functools.partial(SbflSearch, measure=MEASURES[measure])
    summary = f"statistical fault localisation, measure {measure}"
    return _method(f"sbfl-{measure}", summary, SbflOptions, search, needs_scores=False)


def _white_box(name: str, summary: str, options: type[Any], search: Callable[..., HeatmapSearch]) -> Method:
    return _method(name, summary, options, search, extra="models", needs_gradients=True)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            _causal("dc-causal", "causal responsibility, default profile", PROFILES["default"]),
            _causal(
                "dc-causal-fast", "a coarser survey, larger blocks, a single partition", PROFILES["fast"]
            ),
            _causal("dc-causal-paper", "causal responsibility as in the paper", PROFILES["paper"]),
            *(_sbfl(measure) for measure in MEASURES),
            _method("rise", "random smooth masks weighted by the score", RiseOptions, RiseSearch),
            _method("d-rise", "the same for the box of a detector", DriseOptions, DriseSearch),
            _method(
                "occlusion", "drop of the score under a sliding window", OcclusionOptions, OcclusionSearch
            ),
            _method("random", "a random order", RandomOptions, RandomSearch, needs_scores=False),
            _method("lime", "linear model over segments", LimeOptions, LimeSearch, extra="rivals"),
            _method(
                "kernel-shap",
                "Shapley values of segments",
                KernelShapOptions,
                KernelShapSearch,
                extra="rivals",
            ),
            _method(
                "partition-shap",
                "Owen values of rectangles that are halved",
                PartitionOptions,
                PartitionSearch,
            ),
            _method("hsic", "dependence of the score on each cell", HsicOptions, HsicSearch),
            _method(
                "sobol", "share of the score's variance by cell", SobolOptions, SobolSearch, extra="rivals"
            ),
            _white_box("gradient", "slope of the logit", GradientOptions, GradientSearch),
            _white_box(
                "input-x-gradient",
                "input times slope",
                InputTimesGradientOptions,
                InputTimesGradientSearch,
            ),
            _white_box(
                "integrated-gradients",
                "slopes along a line from the baseline",
                IntegratedOptions,
                IntegratedSearch,
            ),
            _white_box("guided-backprop", "slope of what argues for the label", GuidedOptions, GuidedSearch),
            *(
                _white_box(name, summary, CamOptions, functools.partial(CamSearch, name=name))
                for name, summary in (
                    ("grad-cam", "feature maps weighted by their mean slope"),
                    ("hires-cam", "feature maps times their slope"),
                )
            ),
            _white_box("lrp", "relevance shared out layer by layer", LrpOptions, LrpSearch),
            _white_box("rap", "relevance by relative influence", RapOptions, RapSearch),
            _white_box(
                "extremal", "smooth masks of fixed areas that keep the logit", ExtremalOptions, ExtremalSearch
            ),
        )
    }
)
