"""The whole job: from a photograph and a classifier to an explanation."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal.classifier import Classifier
from dccausal.engine.asker import Asker, work
from dccausal.engine.finder import MakeSearch
from dccausal.engine.job import Job
from dccausal.engine.options import OPTION_NAMES, Options
from dccausal.engine.plan import Plan
from dccausal.engine.profiles import Beside, Guide, Profile, SharedEvidence, Weighting, World
from dccausal.engine.progress import Progress
from dccausal.engine.task import ImageTask
from dccausal.explanation.explanation import Explanation
from dccausal.explanation.kind_names import KindName

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.engine.options import Photo
    from dccausal.inputs.baseline import Baselines
    from dccausal.targets import Subject


def explain(
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
    profile: Profile | str = "default",
    partitions: int | None = None,
    seed: int = 0,
    world: World | None = None,
    weighting: Weighting | None = None,
    min_side: float | None = None,
    refine_equal: bool | None = None,
    concentration: int | None = None,
    grid: int | None = None,
    evidence: SharedEvidence | None = None,
    reach: float | None = None,
    audit: float | None = None,
    wave: int | None = None,
    survey: int | None = None,
    shown: int | None = None,
    balanced: int | None = None,
    guide: Guide | None = None,
    levels: Sequence[float] | str | None = None,
    halves: int | None = None,
    beside: Beside | None = None,
    reestimate: float | None = None,
    trees: int = 0,
    min_confidence: float | None = None,
    baseline: Baselines = "grey",
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
        (N, classes) or labels (N,). For other targets an ``OnnxModel``, or a callable that returns what the target
        reads.
    target
        The label to explain, by index or name; the top label by default. Or what else is to be explained: a ``Box``
        of a detector, a ``Region`` of a segmenter, a ``Similarity``, or a ``Custom`` function of the outputs, all in
        ``dccausal.targets``.
    top_k
        A masked image passes if the target is among this many best labels. By default 1, or the target's rank
        on the image where it is not the top label.
    kind
        What is asked beside what suffices for the label; the answer is in ``Explanation.kind``. "several": sufficient
        sets that lie apart. "contrastive": a sufficient set without which the label is lost. "necessary": a set
        without which the label is lost. "why-not": a set without which another label is given. "complete": a set that
        alone has the image's score. Needs further model calls.
    other
        With kind "why-not": the label to ask for, by index or name.
    n
        With kind "several": sufficient sets to look for, 2 to 8; by default 3.
    overlap
        With kind "several": the share of an earlier set's blocks that another may use again, 0 to 0.9; by default 0.
    within
        With kind "complete": the share of the image's score by which that of the set may differ, 0 to 1; by default
        0.05.
    profile
        Values of the next seventeen options by name ("paper", "fast", "default") or as a ``Profile``.
    partitions
        Number of random partitions of the image, 1 to 4096. This and the next sixteen replace the profile's
        values; ``Profile`` says more on each.
    world
        What else is masked while a superpixel is refined: "intact", "contingency", "sufficient" or "both".
    weighting
        How responsibility reaches the pixels: "shares", "leaf" or "score".
    min_side
        Superpixels narrower than this share of the image are not refined; above 0, at most 1.
    refine_equal
        Whether superpixels are refined even where all four are equally responsible.
    concentration
        Cuts are distributed as Beta(a, a) over a side with this a, 1 to 64.
    grid
        Blocks a side of the finest lattice over which the explanation is minimal, 1 to 256.
    evidence
        "own": each question is asked; "shared": verdicts follow from those of other partitions too.
    reach
        With shared evidence, the share of the image by which two sets of masked pixels may differ, 0 to 1.
    audit
        With shared evidence, the share of inferred verdicts that are asked all the same, 0 to 1.
    wave
        Partitions that are grown together, 1 to 4096.
    survey
        Lattices of which each superpixel is masked alone, 0 to 8.
    shown
        Lattices of which each superpixel is shown alone, 0 to 8.
    balanced
        Superpixels a side of a lattice of which halves are shown in the survey, 0 or 2 to 15.
    guide
        "gradient": sets grow from halves and Grad-CAM of the model, which takes fewer calls. "none": they grow from the
        whole survey.
    levels
        Shares of the image's score, such as (0.9, 0.5, 0): a set for each, each inside the one before. Empty: one
        set alone.
    halves
        Superpixels a side of a lattice of which halves are shown beside the outermost set, 0 to 11.
    beside
        "shown": halves are shown beside the set; "both": beside it and without it.
    reestimate
        How much of what the extraction finds is added to the heatmap, 0 to 1.
    seed
        Of the random partitions, 0 to 2^64 - 1. Everything else being equal, the result is the same to the last
        bit for any batch size, any number of threads and of batches in flight.
    trees
        Of this many partitions, the first ones, the causal trees are recorded in the result, 0 to 16. Nothing
        else in it changes.
    min_confidence
        The explanation's score must be at least this share of the image's score, 0 to 1: ``kept`` is the set of this
        level. By default 0.5 where there are scores and levels, else 0, the label alone. Needs scores that are not
        negative: probabilities, not logits.
    baseline
        What masked pixels are replaced by, in pixel space before normalisation: a colour by name or (r, g, b),
        "blur", or an image. Or a list of up to 16 of these: then the label has to stay beside each of them.
    max_calls
        At most this many model calls, counted in images; at least 20, or 20 for each of several baselines.
    threads
        Threads that mask images. By default the cores that this process may use.
    in_flight
        Batches in the making at once, see ``statistics``; by default 2 for ONNX models, 1 for others.
    batch_size
        Masked images a call; by default the classifier's own.
    progress
        Is called with a ``Progress`` after each batch. What it raises ends the explanation; ``StopEarly`` does so with
        the best so far.
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
    names = locals()  # every option, by name, before anything else is named here
    given = {name: names[name] for name in OPTION_NAMES}
    return carry_out(Plan.of(classifier, Options.of(given)), image)


def carry_out(plan: Plan, image: Photo, make_search: MakeSearch | None = None) -> Explanation:
    """Explain one image as planned; another search may take the causal one's place."""
    return complete(plan, plan.prepare(image, make_search=make_search))


def complete(plan: Plan, job: Job) -> Explanation:
    """Carry out a job that the plan has prepared; what ``explain`` raises goes for it too."""
    with plan.asker() as asker:
        task = asker.task(job)
        try:
            _finish(asker, task)
        except KeyboardInterrupt:
            asker.drop()
            if plan.options.on_interrupt == "raise" or not job.cut_short():
                raise
            _finish(asker, task)
        return plan.explanation(job, asker)


def _finish(asker: Asker, task: ImageTask) -> None:
    for _ in work(asker, [task], lambda _: None):
        pass
    if task.error is not None:
        raise task.error
