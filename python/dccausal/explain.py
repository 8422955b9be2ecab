"""The whole job: from a photograph and a classifier to an explanation."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal._asking import Asker
from dccausal._checks import finite_number, one_of, whole_number
from dccausal._job import Job, Progress
from dccausal._runtime import count_cores
from dccausal.baseline import make_baseline
from dccausal.classifier import Classifier, resolve_label
from dccausal.errors import ImageError, OptionError
from dccausal.explanation import Explanation
from dccausal.image import load_photo
from dccausal.onnx import OnnxClassifier
from dccausal.preprocess import Placement
from dccausal.profiles import Profile, Weighting, World

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.baseline import Baseline

_MIN_CALLS = 20
_MAX_SEED = (1 << 64) - 1
# A side of fewer pixels cannot be cut; one of more does not fit the core's numbers.
_SIDES = (2, 65535)


def explain(
    image: str | os.PathLike[str] | Image.Image | NDArray[np.uint8],
    classifier: str | os.PathLike[str] | Classifier,
    *,
    target: int | str | None = None,
    top_k: int | None = None,
    profile: Profile | str = "default",
    partitions: int | None = None,
    seed: int = 0,
    world: World | None = None,
    weighting: Weighting | None = None,
    min_side: float | None = None,
    refine_equal: bool | None = None,
    concentration: int | None = None,
    grid: int | None = None,
    min_confidence: float = 0.0,
    baseline: Baseline = "grey",
    max_calls: int | None = None,
    threads: int | None = None,
    in_flight: int | None = None,
    batch_size: int | None = None,
    progress: Callable[[Progress], object] | None = None,
    on_interrupt: Literal["return", "raise"] = "return",
) -> Explanation:
    """
    Explain what a classifier says about an image.

    The image is masked in many ways, and from the labels that stay or change follow the causal responsibility
    of its parts and a minimal set of pixels that is sufficient for the label [1]_.

    Parameters
    ----------
    image
        A photograph: path, Pillow image or uint8 array (H, W, 3). An ``OnnxClassifier`` brings it to the model's
        size; any other classifier gets it as it is.
    classifier
        The path of an ONNX file, or a ``Classifier``: any callable from images uint8 (N, H, W, 3) to scores
        (N, classes) or labels (N,).
    target
        The label to explain, by index or name; the top label by default.
    top_k
        A masked image passes if the target is among this many best labels. By default 1, or the target's rank
        on the image where it is not the top label.
    profile
        Values of the following seven options by name ("paper", "quick", "default") or as a ``Profile``.
    partitions, world, weighting, min_side, refine_equal, concentration, grid
        See ``Profile``; each replaces the profile's value.
    seed
        Of the random partitions, 0 to 2^64 - 1. Everything else being equal, the result is the same to the last
        bit for any batch size, any number of threads and of batches in flight.
    min_confidence
        The explanation's score must be at least this share of the image's score, 0 to 1. Needs scores that are
        not negative: probabilities, not logits.
    baseline
        What masked pixels are replaced by, in pixel space before normalisation: a colour by name or (r, g, b),
        "blur", or an image.
    max_calls
        At most this many model calls, counted in images; at least 20.
    threads
        Threads that draw masked images. By default the cores that this process may use.
    in_flight
        Batches in the making at once, see ``statistics``; by default 2 for ONNX models, 1 for others.
    batch_size
        Masked images a call; by default the classifier's own.
    progress
        Is called with a ``Progress`` after each batch. What it raises ends the explanation.
    on_interrupt
        What Ctrl-C does: "return" the best explanation so far, or "raise" KeyboardInterrupt.

    Returns
    -------
    Explanation
        With ``outcome`` "minimal" if all went well. See there for what else may be.

    Raises
    ------
    ImageError
        If the image cannot be read or is smaller than 2 x 2 pixels.
    OptionError
        If an option is out of its range, or the target is not what the classifier says.
    ModelError, RuntimeMissingError, DeviceError
        If the model cannot be loaded (see ``OnnxClassifier``).
    ClassifierError
        If the classifier raises or its answer cannot be read.

    References
    ----------
    .. [1] H. Chockler, D. Kroening, Y. Sun, "Explanations for Occluded Images", ICCV 2021, pp. 1234-1243.

    Examples
    --------
    A classifier that says 1 if it sees the red spot:

    >>> import numpy as np
    >>> from dccausal import explain
    >>> photo = np.zeros((64, 64, 3), np.uint8)
    >>> photo[40:48, 8:16, 0] = 255
    >>> def classify(images):
    ...     return (images[:, 40:48, 8:16, 0].mean(axis=(1, 2)) > 200).astype(int)
    >>> explanation = explain(photo, classify, grid=8)
    >>> explanation.outcome, explanation.label, float(explanation.size)
    ('minimal', 1, 0.015625)

    """
    settings = Profile.of(
        profile,
        partitions=partitions,
        world=world,
        weighting=weighting,
        min_side=min_side,
        refine_equal=refine_equal,
        concentration=concentration,
        grid=grid,
    )
    _check_options(seed, top_k, min_confidence, max_calls, on_interrupt)
    threads = count_cores() if threads is None else whole_number("threads", threads, 1, 1024)
    in_flight = None if in_flight is None else whole_number("in_flight", in_flight, 1, 64)
    batch_size = None if batch_size is None else whole_number("batch_size", batch_size, 1, 65536)
    photo = load_photo(image)
    if isinstance(classifier, str | os.PathLike):
        classifier = OnnxClassifier(classifier)
    if not callable(classifier):
        raise OptionError(
            f"classifier is {type(classifier).__name__}; the path of an ONNX file or a callable is needed"
        )
    names = getattr(classifier, "names", None)
    index = resolve_label(target, names, getattr(classifier, "n_classes", None))
    x, placement = _see(photo, classifier)
    masking = make_baseline(baseline, x)
    asker = Asker(classifier, x, masking, batch_size=batch_size, in_flight=in_flight, threads=threads)
    job = Job(
        asker,
        x,
        masking,
        settings,
        seed=seed,
        min_confidence=min_confidence,
        max_calls=max_calls,
        progress=progress,
    )
    try:
        job.check(index, top_k, multi_label=bool(getattr(classifier, "multi_label", False)))
        try:
            job.run()
        except KeyboardInterrupt:
            if on_interrupt == "raise":
                raise
            job.notes.append(f"Interrupted during {job.phase}: this is the best that was known by then.")
        job.verify()
    finally:
        asker.close()
    provenance = {
        **_versions(),
        "classifier": _provenance_of(classifier),
        "seed": seed,
        "profile": profile if isinstance(profile, str) else "custom",
        **settings.to_dict(),
        "target": target,
        "top_k": job.target.top_k,
        "min_confidence": min_confidence,
        "baseline": _describe(baseline),
        "max_calls": max_calls,
        "threads": threads,
        "in_flight": asker.in_flight,
        "batch_size": asker.batch_size,
    }
    return Explanation(
        heatmap=job.heatmap,
        kept=job.kept,
        label=job.target.label,
        name=names[job.target.label] if names is not None else None,
        score=job.target.score,
        explanation_score=job.explanation_score,
        outcome=job.outcome,
        notes=tuple(job.notes),
        image=x,
        baseline=masking,
        photo=photo,
        placement=placement,
        source=os.fspath(image) if isinstance(image, str | os.PathLike) else None,
        provenance=provenance,
        statistics=job.statistics(),
    )


def _check_options(
    seed: int, top_k: int | None, min_confidence: float, max_calls: int | None, on_interrupt: str
) -> None:
    whole_number("seed", seed, 0, _MAX_SEED)
    if top_k is not None:
        whole_number("top_k", top_k, 1)
    if not 0 <= finite_number("min_confidence", min_confidence) <= 1:
        raise OptionError(f"min_confidence is {min_confidence}; a share from 0 to 1 is needed")
    if max_calls is not None:
        whole_number("max_calls", max_calls, _MIN_CALLS)
    one_of("on_interrupt", on_interrupt, ("return", "raise"))


def _see(photo: Image.Image, classifier: Classifier) -> tuple[NDArray[np.uint8], Placement]:
    """Return what the classifier sees of a photograph, and where that lies in it."""
    if isinstance(classifier, OnnxClassifier):
        x, placement = classifier.prepare(photo)
    else:
        x = np.array(photo, dtype=np.uint8)
        width, height = photo.size
        placement = Placement(photo_size=(width, height), box=(0.0, 0.0, float(width), float(height)))
    low, high = _SIDES
    if not all(low <= side <= high for side in x.shape[:2]):
        raise ImageError(
            f"the image is {x.shape[1]} x {x.shape[0]} pixels; sides of {low} to {high} are needed to cut it"
        )
    return x, placement


def _provenance_of(classifier: Classifier) -> dict[str, Any]:
    if isinstance(classifier, OnnxClassifier):
        return classifier.provenance()
    kind = classifier if hasattr(classifier, "__qualname__") else type(classifier)
    return {"runtime": "callable", "name": f"{kind.__module__}.{kind.__qualname__}"}


def _versions() -> dict[str, str]:
    from PIL import __version__ as pillow

    return {
        "dccausal": _core.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": pillow,
        "platform": platform.platform(),
    }


def _describe(baseline: Baseline) -> Any:
    if isinstance(baseline, str | os.PathLike):
        return os.fspath(baseline)
    if isinstance(baseline, tuple | list):
        return [int(channel) for channel in baseline]
    return "image"
