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
=================  ===============================================================================  ===========
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal._methods_lime import LimeFinder, LimeOptions
from dccausal._methods_occlusion import OcclusionFinder, OcclusionOptions
from dccausal._methods_random import RandomFinder, RandomOptions
from dccausal._methods_rise import RiseFinder, RiseOptions
from dccausal._methods_sbfl import MEASURES, SbflFinder, SbflOptions
from dccausal._methods_shap import KernelShapFinder, KernelShapOptions
from dccausal.classifier import Classifier
from dccausal.engine.explain import carry_out
from dccausal.engine.finder import Finder
from dccausal.engine.plan import Plan
from dccausal.engine.profiles import PROFILES, Profile
from dccausal.engine.progress import Progress
from dccausal.errors import OptionError
from dccausal.explanation.explanation import Explanation
from dccausal.inputs.view import View
from dccausal.targets import Target

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.inputs.baseline import Baseline

__all__ = [
    "METHODS",
    "KernelShapOptions",
    "LimeOptions",
    "Method",
    "OcclusionOptions",
    "RandomOptions",
    "RiseOptions",
    "SbflOptions",
    "explain_with",
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

    """

    name: str
    summary: str
    options: type[Any]
    defaults: Mapping[str, Any]
    needs_scores: bool
    extra: str | None
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
) -> Method:
    values = options if isinstance(options, Profile) else options()
    defaults = MappingProxyType(dataclasses.asdict(values))
    return Method(name, summary, type(values), defaults, needs_scores, extra, make)


def _sbfl(measure: str) -> Method:
    def make(view: View, target: Target, budget: int | None, **more: Any) -> Finder:
        return SbflFinder(view, target, budget, measure=MEASURES[measure], **more)

    summary = f"statistical fault localisation, measure {measure}"
    return _method(f"sbfl-{measure}", summary, SbflOptions, make, needs_scores=False)


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
        )
    }
)


def explain_with(
    method: str,
    image: str | os.PathLike[str] | Image.Image | NDArray[np.uint8],
    classifier: str | os.PathLike[str] | Classifier,
    *,
    target: int | str | None = None,
    top_k: int | None = None,
    seed: int = 0,
    min_confidence: float = 0.0,
    baseline: Baseline = "grey",
    max_calls: int | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    in_flight: int | None = None,
    grid: int | None = None,
    progress: Callable[[Progress], object] | None = None,
    on_interrupt: Literal["return", "raise"] = "return",
    **options: Any,
) -> Explanation:
    """
    Explain what a classifier says about an image, by a method of your choice.

    Parameters
    ----------
    method
        A name of ``METHODS``.
    image, classifier, target, top_k, min_confidence, baseline, threads, in_flight, batch_size, grid
        As in ``explain``.
    seed
        Of all that the method draws at random, 0 to 2^64 - 1. The result is the same to the last bit for any
        batch size, as long as the classifier gives an image the same scores in any batch.
    max_calls
        At most this many model calls. As in ``explain``, the method may use two thirds of them: it asks fewer
        questions than its options say where that is less, and ``notes`` says so.
    progress, on_interrupt
        As in ``explain``. The phase "search" is the method's own.
    options
        Those of the method: the fields of ``METHODS[method].options``.

    Returns
    -------
    Explanation
        As ``explain`` gives it. ``heatmap`` is the method's, brought to the range from 0 to 1 by its lowest and
        highest value. ``provenance["method"]`` has the method's name, ``provenance["method_options"]`` all its
        options; ``statistics["model_calls_by_phase"]["search"]`` counts the method's own calls.

    Raises
    ------
    OptionError
        If there is no such method, an option is unknown or out of its range, or the classifier gives no scores
        and the method needs them.
    RuntimeMissingError
        If the method's package is not installed.
    ImageError, ModelError, DeviceError, ClassifierError
        As in ``explain``.

    Examples
    --------
    >>> import numpy as np
    >>> from dccausal.methods import explain_with
    >>> photo = np.zeros((64, 64, 3), np.uint8)
    >>> photo[40:48, 8:16, 0] = 255
    >>> def classify(images):
    ...     red = images[:, 40:48, 8:16, 0].mean(axis=(1, 2)) / 255
    ...     return np.stack([1 - red, red], axis=1)
    >>> explanation = explain_with("occlusion", photo, classify, grid=8, baseline="black")
    >>> explanation.outcome, explanation.label, float(explanation.size)
    ('minimal', 1, 0.015625)

    """
    chosen = METHODS.get(method) if isinstance(method, str) else None
    if chosen is None:
        raise OptionError(f"method is {method!r}; one of {', '.join(METHODS)} is needed")
    own = chosen.check(**options)
    plan = Plan.of(
        classifier,
        target=target,
        top_k=top_k,
        profile=_profile(own),
        seed=seed,
        trees=0,
        grid=grid,
        min_confidence=min_confidence,
        baseline=baseline,
        max_calls=max_calls,
        batch_size=batch_size,
        threads=threads,
        in_flight=in_flight,
        progress=progress,
        on_interrupt=on_interrupt,
    )
    found = carry_out(plan, image, _finder_maker(chosen, own, seed))
    used = plan.settings if isinstance(own, Profile) else own
    return dataclasses.replace(found, provenance=_provenance(found, chosen, used))


def _profile(own: Any) -> Profile | str:
    """Return the profile to search by, by its name where it has one."""
    if not isinstance(own, Profile):
        return "default"
    return next((name for name, profile in PROFILES.items() if profile == own), own)


def _finder_maker(method: Method, own: Any, seed: int) -> Callable[..., Finder] | None:
    make = method._make
    if make is None:
        return None
    return lambda view, target, budget: make(view, target, budget, seed=seed, options=own)


def _provenance(found: Explanation, method: Method, own: Any) -> dict[str, Any]:
    """Add the method and its options, and leave out the settings of a causal search that was not made."""
    is_causal = isinstance(own, Profile)
    settings = {"profile", "trees", *(field.name for field in dataclasses.fields(Profile))} - {"grid"}
    left_out = set() if is_causal else settings
    said = {name: value for name, value in found.provenance.items() if name not in left_out}
    return {**said, "method": method.name, "method_options": dataclasses.asdict(own)}
