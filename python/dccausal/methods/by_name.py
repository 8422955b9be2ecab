"""Explain with a method by its name."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal.classifier import Classifier
from dccausal.engine.explain import carry_out
from dccausal.engine.guide import white_box_of
from dccausal.engine.options import Options
from dccausal.engine.plan import Plan
from dccausal.engine.profiles import PROFILES, Profile
from dccausal.engine.progress import Progress
from dccausal.errors import OptionError
from dccausal.explanation.explanation import Explanation
from dccausal.explanation.kind_names import KindName
from dccausal.methods.registry import METHODS, Method

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.inputs.baseline import Baseline
    from dccausal.targets import Subject


def explain_with(
    method: str,
    image: str | os.PathLike[str] | Image.Image | NDArray[np.uint8],
    classifier: str | os.PathLike[str] | Classifier,
    *,
    target: int | str | Subject | None = None,
    top_k: int | None = None,
    kind: KindName = "sufficient",
    other: int | str | None = None,
    n: int | None = None,
    overlap: float | None = None,
    within: float | None = None,
    seed: int = 0,
    min_confidence: float | None = None,
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
    kind, other, n, overlap, within
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
    given = Options.of(
        {
            "target": target,
            "top_k": top_k,
            "kind": kind,
            "other": other,
            "n": n,
            "overlap": overlap,
            "within": within,
            "profile": _profile(own),
            "seed": seed,
            "grid": grid,
            "min_confidence": min_confidence,
            "baseline": baseline,
            "max_calls": max_calls,
            "batch_size": batch_size,
            "threads": threads,
            "in_flight": in_flight,
            "progress": progress,
            "on_interrupt": on_interrupt,
        }
    )

    plan = Plan.of(classifier, given)
    make_search = chosen.make_search(seed=seed, options=own, **_white_box_of(chosen, plan))
    found = carry_out(plan, image, make_search)
    used = given.settings if isinstance(own, Profile) else own
    return dataclasses.replace(found, provenance=_provenance(found, chosen, used))


def _profile(own: Any) -> Profile | str:
    """Return the profile to search by, by its name where it has one."""
    if not isinstance(own, Profile):
        return "default"
    return next((name for name, profile in PROFILES.items() if profile == own), own)


def _white_box_of(method: Method, plan: Plan) -> dict[str, Any]:
    """Return what a method that looks into the model is given besides."""
    if not method.needs_gradients:
        return {}
    classifier = plan.backend.classifier
    white_box_of(classifier, f"method is {method.name!r}")
    return {"classifier": classifier, "progress": plan.options.progress}


def _provenance(found: Explanation, method: Method, own: Any) -> dict[str, Any]:
    """Add the method and its options, and leave out the settings of a causal search that was not made."""
    is_causal = isinstance(own, Profile)
    settings = {"profile", "trees", *(field.name for field in dataclasses.fields(Profile))} - {"grid"}
    left_out = set() if is_causal else settings
    said = {name: value for name, value in found.provenance.items() if name not in left_out}
    return {**said, "method": method.name, "method_options": dataclasses.asdict(own)}
