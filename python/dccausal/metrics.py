"""Measures of explanations, each by its usual definition.

Arrays are those of an ``Explanation``: ``kept`` bool (H, W), ``heatmap`` (H, W), ``ranking`` int64 (H * W,) of flat
pixel indices, best first. Truth is a bool (H, W) array of the occlusion or of the object's box. Measures that ask the
classifier are given ``image`` and ``baseline``, uint8 (H, W, 3), and call it with batches of at most ``batch_size``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import whole_number
from dccausal._shared.regions import n_regions
from dccausal._shared.steps import parts, points, ranks
from dccausal.classifier import Classifier, call, classify
from dccausal.errors import OptionError
from dccausal.targets import Target

__all__ = [
    "Curve",
    "best_iou",
    "bootstrap_interval",
    "deletion_curve",
    "energy_pointing_game",
    "holds_peak",
    "holes",
    "insertion_curve",
    "iou",
    "occlusion_covered",
    "occlusion_share",
    "outline",
    "pieces",
    "pointing_game",
    "retained_curve",
    "robustness",
    "size",
    "spearman",
]

Pixels = NDArray[np.bool_]


@dataclass(frozen=True)
class Curve:
    """
    What the classifier says as pixels are inserted or deleted.

    Attributes
    ----------
    shares
        float64 (steps + 1,): share of the pixels inserted or deleted, from 0 to 1.
    scores
        float64 (steps + 1,): score of the label; NaN where the classifier gives labels only.
    is_top
        bool (steps + 1,): whether the label is the top one.

    """

    shares: NDArray[np.float64]
    scores: NDArray[np.float64]
    is_top: Pixels

    @property
    def auc(self) -> float:
        """Area under the scores by the trapezium rule, between 0 and the highest score."""
        # NumPy has it by two names, of which 1.26 and 2 lack one each.
        return float(((self.scores[1:] + self.scores[:-1]) * np.diff(self.shares)).sum() / 2)

    def relative_auc(self, score: float) -> float:
        """
        Area under the scores as shares of ``score``, the intact image's; NaN where that is not above 0.

        Images of which the classifier is sure do not count more than others then. Above 1 where a part of the
        image has a higher score than the whole.
        """
        return self.auc / score if score > 0 else float("nan")


def size(kept: Pixels) -> float:
    """Return the share of the pixels that an explanation keeps, 0 to 1."""
    return float(np.asarray(kept, dtype=bool).mean())


def pieces(kept: Pixels) -> int:
    """Return of how many pieces an explanation is: pixels that share an edge are of one piece; 0 if it is empty."""
    return n_regions(_plane(kept))


def holes(kept: Pixels) -> int:
    """Return how many holes an explanation has: pieces of the rest that do not reach the image's border."""
    return n_regions(np.pad(~_plane(kept), 1, constant_values=True)) - 1  # the padding is the outside


def outline(kept: Pixels) -> float:
    """
    Return the length of an explanation's outline by the square root of its area; 0 if it is empty.

    The length counts the edges of pixels between the kept ones and the rest, those of holes and those on the
    image's border included. A square has 4, whatever its size; the more ragged or scattered, the higher.
    """
    inside = np.pad(_plane(kept), 1)
    length = _count(np.diff(inside, axis=0)) + _count(np.diff(inside, axis=1))
    return float(length / np.sqrt(max(_count(inside), 1)))


def holds_peak(kept: Pixels, heatmap: NDArray[Any]) -> float:
    """Return whether an explanation holds the hottest pixel: 1 or 0; among several, the share of them it holds."""
    return pointing_game(heatmap, kept)


def occlusion_covered(kept: Pixels, occlusion: Pixels) -> float:
    """
    Return the share of the occlusion that the explanation covers, ``|E and O| / |O|``; lower is better.

    Raises
    ------
    OptionError
        If the shapes differ or the occlusion is empty.

    """
    kept, occlusion = _same_shape(kept, occlusion)
    if not occlusion.any():
        raise OptionError("the occlusion has no pixel; at least one is needed to tell how much is covered")
    return _count(kept & occlusion) / _count(occlusion)


def occlusion_share(kept: Pixels, occlusion: Pixels) -> float:
    """Return the share of the explanation that lies in the occlusion, ``|E and O| / |E|``; 0 if it is empty."""
    kept, occlusion = _same_shape(kept, occlusion)
    return _count(kept & occlusion) / max(_count(kept), 1)


def iou(kept: Pixels, truth: Pixels) -> float:
    """Return intersection over union of two sets of pixels, 0 to 1; 0 if both are empty."""
    kept, truth = _same_shape(kept, truth)
    return _count(kept & truth) / max(_count(kept | truth), 1)


def spearman(left: NDArray[Any], right: NDArray[Any]) -> float:
    """
    Return Spearman's rank correlation of two heatmaps, -1 to 1; NaN where one of them is flat.

    Equal values share the mean of their ranks.

    Raises
    ------
    OptionError
        If the shapes differ.

    """
    if np.shape(left) != np.shape(right) or np.size(left) == 0:
        raise OptionError(f"two arrays of one shape are needed, got {np.shape(left)} and {np.shape(right)}")
    ranked = [ranks(np.asarray(values)) for values in (left, right)]
    one, other = (rank - rank.mean() for rank in ranked)
    norm = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / norm if norm else float("nan")


def best_iou(ranking: NDArray[np.int64], truth: Pixels) -> tuple[float, float]:
    """
    Return the highest intersection over union of the truth and the best-ranked pixels, and their share.

    The number of pixels is chosen for the best result, so this tells how well the order of the pixels fits the
    truth, whatever the size of an explanation.

    Raises
    ------
    OptionError
        If the ranking is not one of the truth's pixels.

    """
    inside = np.asarray(truth, dtype=bool).ravel()
    if np.shape(ranking) != inside.shape or inside.size == 0:
        raise OptionError(
            f"ranking and truth are {np.shape(ranking)} and {np.shape(truth)}; (H * W,) and (H, W) are needed"
        )
    hits = np.cumsum(inside[ranking])
    counts = np.arange(1, inside.size + 1)
    ious = hits / (counts + np.count_nonzero(inside) - hits)
    best = int(ious.argmax())
    return float(ious[best]), float(counts[best] / inside.size)


def pointing_game(heatmap: NDArray[Any], truth: Pixels) -> float:
    """
    Return whether the hottest point lies in the truth: 1 or 0 (Zhang et al. 2016, without a margin).

    Where several pixels are the hottest, it is the share of them that lies in the truth: the chance that one
    drawn among them would hit.
    """
    hottest, truth = _same_shape(heatmap == np.max(heatmap), truth)
    return _count(hottest & truth) / _count(hottest)


def energy_pointing_game(heatmap: NDArray[Any], truth: Pixels) -> float:
    """
    Return the share of the heat that lies in the truth, 0 to 1 (Wang et al. 2020, Score-CAM); 0 without any heat.

    Parameters
    ----------
    heatmap, truth
        (H, W), at least 0; and bool (H, W), a box or a mask.

    Raises
    ------
    OptionError
        If the shapes differ, or heat is negative.

    """
    heat = np.asarray(heatmap, dtype=np.float64)
    if heat.shape != np.shape(truth) or heat.min(initial=0) < 0:
        raise OptionError(
            f"heatmap and truth are {heat.shape} and {np.shape(truth)}; the same shape and no negative heat are needed"
        )
    whole = float(heat.sum())
    return float(heat[np.asarray(truth, dtype=np.bool_)].sum()) / whole if whole > 0 else 0.0


def insertion_curve(
    classifier: Classifier,
    image: NDArray[np.uint8],
    baseline: NDArray[np.uint8],
    ranking: NDArray[np.int64],
    label: int | Target,
    *,
    steps: int = 50,
    shares: Sequence[float] | None = None,
    batch_size: int = 32,
) -> Curve:
    """
    Return the score of a label while the best-ranked pixels are inserted into the baseline (Petsiuk et al. 2018).

    Parameters
    ----------
    classifier
        Is asked about ``steps`` + 1 images, or one for each of ``shares``.
    image, baseline
        uint8 (H, W, 3).
    ranking
        int64 (H * W,), best first.
    label
        Index of the label; or a target such as that of a ``Box``, of which a model gives the answers that it judges.
        Then ``is_top`` says where it passes.
    steps
        Equal steps from 0 to all of the pixels.
    shares
        Shares of the pixels in place of equal steps, each from 0 to 1.
    batch_size
        Images a call.

    Raises
    ------
    OptionError
        If an argument is out of its range.
    ClassifierError
        If the classifier's answer cannot be read.

    """
    at = points(steps, shares)
    return _exchange(classifier, baseline, image, ranking, label, at, batch_size)


def deletion_curve(
    classifier: Classifier,
    image: NDArray[np.uint8],
    baseline: NDArray[np.uint8],
    ranking: NDArray[np.int64],
    label: int | Target,
    *,
    steps: int = 50,
    shares: Sequence[float] | None = None,
    batch_size: int = 32,
) -> Curve:
    """Return the score of a label while the best pixels are replaced by the baseline; see ``insertion_curve``."""
    at = points(steps, shares)
    return _exchange(classifier, image, baseline, ranking, label, at, batch_size)


def retained_curve(curves: Sequence[Curve]) -> NDArray[np.float64]:
    """
    Return the share of images whose best pixels alone give the label, for each share kept (paper, Fig. 6).

    Parameters
    ----------
    curves
        The insertion curve of each image, all with the same steps.

    Returns
    -------
    NDArray
        float64 (steps + 1,).

    """
    shares: NDArray[np.float64] = np.mean([curve.is_top for curve in curves], axis=0, dtype=np.float64)
    return shares


def robustness(
    classifier: Classifier,
    image: NDArray[np.uint8],
    kept: Pixels,
    label: int,
    backgrounds: NDArray[np.uint8],
    *,
    batch_size: int = 32,
) -> float:
    """Return the share of other backgrounds, uint8 (n, H, W, 3), on which the explanation still gives the label."""
    whole_number("batch_size", batch_size, 1)
    if backgrounds.shape[1:] != image.shape or len(backgrounds) == 0:
        raise OptionError(
            f"backgrounds must be (n, {', '.join(map(str, image.shape))}), got {backgrounds.shape}"
        )
    n_kept = 0
    for start in range(0, len(backgrounds), batch_size):
        part = np.where(kept[None, ..., None], image[None], backgrounds[start : start + batch_size])
        n_kept += int(_judge(classifier, part, label)[1].sum())
    return n_kept / len(backgrounds)


def bootstrap_interval(
    values: Sequence[float] | NDArray[Any], *, level: float = 0.95, resamples: int = 4000, seed: int = 0
) -> tuple[float, float]:
    """
    Return the percentile bootstrap interval of a mean (Efron 1979).

    Give the differences of two methods, image by image, for a paired comparison.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or len(sample) == 0:
        raise OptionError(f"values must be (n,) with n of at least 1, got {sample.shape}")
    rng = np.random.default_rng(seed)
    means = np.concatenate(
        [sample[rng.integers(0, len(sample), (part, len(sample)))].mean(axis=1) for part in parts(resamples)]
    )
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _exchange(
    classifier: Classifier,
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    ranking: NDArray[np.int64],
    label: int | Target,
    shares: NDArray[np.float64],
    batch_size: int,
) -> Curve:
    """Return the curve while the best-ranked pixels of ``before`` become those of ``after``."""
    whole_number("batch_size", batch_size, 1)
    n_pixels = before.shape[0] * before.shape[1]
    if before.shape != after.shape or before.ndim != 3 or ranking.shape != (n_pixels,):  # noqa: PLR2004
        raise OptionError(
            f"image, baseline and ranking are {before.shape}, {after.shape} and {ranking.shape}; "
            "(H, W, 3), the same and (H * W,) are needed"
        )
    counts = np.round(shares * n_pixels).astype(np.int64)
    place = np.empty(n_pixels, dtype=np.int64)
    place[ranking] = np.arange(n_pixels)
    place = place.reshape(before.shape[:2])
    scores, is_top = [], []
    for start in range(0, len(counts), batch_size):
        is_changed = place < counts[start : start + batch_size, None, None]
        part_scores, part_top = _judge(classifier, np.where(is_changed[..., None], after, before), label)
        scores.append(part_scores)
        is_top.append(part_top)
    return Curve(shares, np.concatenate(scores), np.concatenate(is_top))


def _judge(
    classifier: Classifier, images: NDArray[np.uint8], label: int | Target
) -> tuple[NDArray[np.float64], Pixels]:
    if not isinstance(label, int | np.integer):
        is_passing, judged = label.judge(call(classifier, images, "what the target judges"))
        return judged.astype(np.float64), is_passing
    answer = classify(classifier, images)
    if answer.ndim == 1:
        return np.full(len(answer), np.nan), answer == label
    whole_number("label", label, 0, answer.shape[1] - 1)
    return answer[:, label].astype(np.float64), answer.argmax(axis=1) == label


def _count(pixels: Pixels) -> int:
    return int(np.count_nonzero(pixels))


def _plane(kept: Any) -> Pixels:
    return _same_shape(kept, kept)[0]


def _same_shape(left: Any, right: Any) -> tuple[Pixels, Pixels]:
    left, right = np.asarray(left, dtype=bool), np.asarray(right, dtype=bool)
    if left.shape != right.shape or left.ndim != 2:  # noqa: PLR2004
        raise OptionError(f"two boolean arrays (H, W) are needed, got {left.shape} and {right.shape}")
    return left, right
