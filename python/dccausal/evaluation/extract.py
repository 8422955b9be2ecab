"""From any ranking of pixels to a sufficient and then a minimal set, as ``explain`` does it, each call counted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal.classifier import Classifier, classify
from dccausal.engine.profiles import PROFILES
from dccausal.explanation.record import Outcome
from dccausal.targets import Target, choose_target

Pixels = NDArray[np.bool_]


class CountedClassifier:
    """
    A classifier that counts what it is asked.

    Attributes
    ----------
    n_calls
        Images classified.
    seconds
        Time that took.

    """

    def __init__(self, classifier: Classifier) -> None:
        """Nothing was asked yet."""
        self._classifier = classifier
        self.n_calls = 0
        self.seconds = 0.0

    def __call__(self, images: NDArray[np.uint8], /) -> NDArray[Any]:
        """Return the checked answer of the classifier itself."""
        started = time.perf_counter()
        try:
            return classify(self._classifier, images)
        finally:
            self.n_calls += len(images)
            self.seconds += time.perf_counter() - started


@dataclass(frozen=True, eq=False)
class Scene:
    """
    One image and what the classifier says to it, intact and blank.

    Attributes
    ----------
    image
        uint8 (H, W, 3).
    baselines
        uint8 (n, H, W, 3): beside each of them the label has to stay.
    answer
        The classifier's scores for the image, then for each baseline, (1 + n, classes).
    multi_label
        Whether the scores are independent of each other.

    """

    image: NDArray[np.uint8]
    baselines: NDArray[np.uint8]
    answer: NDArray[Any]
    multi_label: bool

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        image: NDArray[np.uint8],
        baselines: NDArray[np.uint8],
        *,
        multi_label: bool,
    ) -> Scene:
        """Ask the classifier about the image and the baselines, (n, H, W, 3)."""
        return cls(image, baselines, classify(classifier, np.stack([image, *baselines])), multi_label)

    @property
    def baseline(self) -> NDArray[np.uint8]:
        """The first of the baselines, which curves are measured beside."""
        first: NDArray[np.uint8] = self.baselines[0]
        return first

    @property
    def top(self) -> int:
        """The top label."""
        return int(self.answer[0].argmax())

    def target(self, label: int) -> Target:
        """Return the rule by which masked images pass for a label."""
        return choose_target(self.answer[:1], label, None, multi_label=self.multi_label, needs_scores=False)


@dataclass(frozen=True, eq=False)
class Extracted:
    """
    What came out.

    Attributes
    ----------
    grown
        bool (H, W): the shortest sufficient prefix of the ranked blocks; None if none was found.
    kept
        bool (H, W): after shrinking.
    outcome
        As in ``Explanation``.
    n_growth, n_calls
        Images classified until ``grown`` was known, and in all.

    """

    grown: Pixels | None
    kept: Pixels
    outcome: Outcome
    n_growth: int
    n_calls: int


def extract(
    classifier: Classifier,
    scene: Scene,
    heatmap: NDArray[np.float32],
    label: int,
    *,
    floor: float = 0.0,
    grid: int = PROFILES["default"].grid,
    is_grown_enough: bool = False,
    max_calls: int | None = None,
    batch_size: int = 32,
) -> Extracted:
    """
    Rank blocks by a heatmap, grow the shortest sufficient prefix, and shrink it until no block can go.

    Parameters
    ----------
    classifier
        Is asked about batches of masked images.
    scene
        The image and its baselines.
    heatmap
        float32 (H, W); only its order matters.
    label
        What is explained.
    floor
        Least score, as a share of the intact image's.
    grid
        Blocks a side of the lattice.
    is_grown_enough
        Whether to stop after growth; ``kept`` is then ``grown``.
    max_calls
        Stop after this many questions.
    batch_size
        Questions a call.

    """
    target = scene.target(label)
    min_score = floor * target.score if floor > 0 else 0.0
    is_passing, scores = target.judge(scene.answer)
    height, width = scene.image.shape[:2]
    blank = (bool(is_passing[1:].all()), float(scores[1:].min()))
    if blank[0] and not blank[1] < min_score:
        empty = np.zeros((height, width), dtype=bool)
        return Extracted(empty, empty, "trivial", 0, 0)
    intact, n_baselines = (True, target.score), len(scene.baselines)
    evidence = _core.Evidence(
        height, width, intact=intact, blank=blank, max_calls=max_calls, baselines=n_baselines
    )
    extraction = _core.Extraction(
        evidence, np.asarray(heatmap, dtype=np.float32), cells=grid, min_score=min_score
    )
    n_growth = 0
    while not extraction.is_done and not (is_grown_enough and extraction.stage != "growth"):
        is_growth = extraction.stage == "growth"
        batch = extraction.propose(batch_size)
        if batch is None:
            break
        masked = batch.masked()
        images = np.where(masked[..., None], scene.baselines[batch.baseline], scene.image)
        extraction.submit(batch.id, *target.judge(classify(classifier, images)))
        n_growth += len(batch) if is_growth else 0
    is_minimal = extraction.stage == "minimal"
    outcome: Outcome = "minimal" if is_minimal else "sufficient"
    return Extracted(extraction.grown(), extraction.kept(), outcome, n_growth, extraction.n_calls)
