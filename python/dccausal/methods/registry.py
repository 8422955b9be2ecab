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
occlusion          mean drop of the score under a sliding window                                    occlusion
random             a random order of the pixels                                                     none
lime               weights of a linear model over segments (extra ``rivals``)                       LIME
kernel-shap        Shapley values of segments (extra ``rivals``)                                    KernelSHAP
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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from dccausal.engine.finder import Finder
from dccausal.engine.profiles import PROFILES, Profile
from dccausal.errors import OptionError
from dccausal.inputs.view import View
from dccausal.methods.gradient.cam import CamFinder, CamOptions
from dccausal.methods.gradient.extremal import ExtremalFinder, ExtremalOptions
from dccausal.methods.gradient.integrated import IntegratedFinder, IntegratedOptions
from dccausal.methods.gradient.relevance import LrpFinder, LrpOptions, RapFinder, RapOptions
from dccausal.methods.gradient.slope import (
    GradientFinder,
    GradientOptions,
    GuidedFinder,
    GuidedOptions,
    InputTimesGradientFinder,
    InputTimesGradientOptions,
)
from dccausal.methods.lime import LimeFinder, LimeOptions
from dccausal.methods.occlusion import OcclusionFinder, OcclusionOptions
from dccausal.methods.random import RandomFinder, RandomOptions
from dccausal.methods.rise import RiseFinder, RiseOptions
from dccausal.methods.sbfl import MEASURES, SbflFinder, SbflOptions
from dccausal.methods.shap import KernelShapFinder, KernelShapOptions
from dccausal.targets import Target

__all__ = [
    "METHODS",
    "KernelShapOptions",
    "LimeOptions",
    "Method",
    "OcclusionOptions",
    "RandomOptions",
    "RiseOptions",
    "SbflOptions",
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
    _make: Callable[..., Finder] | None

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


def _method(
    name: str,
    summary: str,
    options: type[Any] | Profile,
    make: Callable[..., Finder] | None = None,
    *,
    needs_scores: bool = True,
    extra: str | None = None,
    needs_gradients: bool = False,
) -> Method:
    values = options if isinstance(options, Profile) else options()
    defaults = MappingProxyType(dataclasses.asdict(values))
    return Method(name, summary, type(values), defaults, needs_scores, extra, needs_gradients, make)


def _sbfl(measure: str) -> Method:
    def make(view: View, target: Target, budget: int | None, **more: Any) -> Finder:
        return SbflFinder(view, target, budget, measure=MEASURES[measure], **more)

    summary = f"statistical fault localisation, measure {measure}"
    return _method(f"sbfl-{measure}", summary, SbflOptions, make, needs_scores=False)


def _white_box(name: str, summary: str, options: type[Any], make: Callable[..., Finder]) -> Method:
    return _method(name, summary, options, make, extra="models", needs_gradients=True)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            _method(
                "dc-causal", "causal responsibility, default profile", PROFILES["default"], needs_scores=False
            ),
            _method(
                "dc-causal-fast", "sufficient sets of few partitions", PROFILES["fast"], needs_scores=False
            ),
            _method(
                "dc-causal-paper",
                "causal responsibility as in the paper",
                PROFILES["paper"],
                needs_scores=False,
            ),
            *(_sbfl(measure) for measure in MEASURES),
            _method("rise", "random smooth masks weighted by the score", RiseOptions, RiseFinder),
            _method(
                "occlusion", "drop of the score under a sliding window", OcclusionOptions, OcclusionFinder
            ),
            _method("random", "a random order", RandomOptions, RandomFinder, needs_scores=False),
            _method("lime", "linear model over segments", LimeOptions, LimeFinder, extra="rivals"),
            _method(
                "kernel-shap",
                "Shapley values of segments",
                KernelShapOptions,
                KernelShapFinder,
                extra="rivals",
            ),
            _white_box("gradient", "slope of the logit", GradientOptions, GradientFinder),
            _white_box(
                "input-x-gradient",
                "input times slope",
                InputTimesGradientOptions,
                InputTimesGradientFinder,
            ),
            _white_box(
                "integrated-gradients",
                "slopes along a line from the baseline",
                IntegratedOptions,
                IntegratedFinder,
            ),
            _white_box("guided-backprop", "slope of what argues for the label", GuidedOptions, GuidedFinder),
            *(
                _white_box(name, summary, CamOptions, partial(CamFinder, name=name))
                for name, summary in (
                    ("grad-cam", "feature maps weighted by their mean slope"),
                    ("hires-cam", "feature maps times their slope"),
                )
            ),
            _white_box("lrp", "relevance shared out layer by layer", LrpOptions, LrpFinder),
            _white_box("rap", "relevance by relative influence", RapOptions, RapFinder),
            _white_box(
                "extremal", "smooth masks of fixed areas that keep the logit", ExtremalOptions, ExtremalFinder
            ),
        )
    }
)
