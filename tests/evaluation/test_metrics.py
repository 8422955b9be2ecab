"""Measures on cases whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from dccausal import OptionError, metrics
from planted import plant

KEPT = np.zeros((4, 4), dtype=bool)
KEPT[:2, :2] = True
TRUTH = np.zeros((4, 4), dtype=bool)
TRUTH[:1, :] = True


def test_shares_of_sets():
    assert metrics.size(KEPT) == 0.25
    assert metrics.occlusion_covered(KEPT, TRUTH) == 0.5
    assert metrics.occlusion_share(KEPT, TRUTH) == 0.5
    assert metrics.iou(KEPT, TRUTH) == pytest.approx(2 / 6)
    assert metrics.iou(KEPT, KEPT) == 1
    empty = np.zeros_like(KEPT)
    assert metrics.occlusion_share(empty, TRUTH) == metrics.iou(empty, empty) == 0


def drawn(text):
    return np.array([[letter == "#" for letter in line] for line in text.split()])


SHAPES = [
    ("....|....", 0, 0, 0),
    ("####|####", 1, 0, 12 / 8**0.5),
    ("##..|##..", 1, 0, 4),
    ("#.#.|.#.#", 4, 0, 8),
    ("###.|#.#.|###.", 1, 1, 16 / 8**0.5),
    (".##.|#..#|.##.", 4, 1, 20 / 6**0.5),  # corners join neither pieces nor the rest
    ("###.|#.#.|#.#.", 1, 0, 16 / 7**0.5),
    ("#####|#.#.#|#.###|#####", 1, 2, 28 / 17**0.5),
    ("#.#|#.#|###", 1, 0, 16 / 7**0.5),
]


@pytest.mark.parametrize(("text", "n_pieces", "n_holes", "outline"), SHAPES)
def test_the_shape_of_a_set(text, n_pieces, n_holes, outline):
    kept = drawn(text.replace("|", " "))
    for turned in (kept, kept.T, kept[::-1], kept[:, ::-1]):
        assert (metrics.pieces(turned), metrics.holes(turned)) == (n_pieces, n_holes)
        assert metrics.outline(turned) == pytest.approx(outline)
    fine = np.kron(kept, np.ones((3, 3), dtype=bool))
    assert (metrics.pieces(fine), metrics.holes(fine)) == (n_pieces, n_holes)
    assert metrics.outline(fine) == pytest.approx(outline)


def test_pieces_are_those_of_a_plain_flood():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        kept = rng.random((int(rng.integers(1, 15)), int(rng.integers(1, 15)))) < rng.random()
        left, n = {tuple(place) for place in np.argwhere(kept).tolist()}, 0
        while left:
            n, todo = n + 1, [left.pop()]
            while todo:
                y, x = todo.pop()
                near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
                left -= near
                todo += near
        assert metrics.pieces(kept) == n


def test_the_peak_is_held_or_not():
    heat = np.arange(16.0).reshape(4, 4)
    assert metrics.holds_peak(KEPT, heat) == 0
    assert metrics.holds_peak(KEPT, -heat) == 1
    assert metrics.holds_peak(KEPT, np.ones((4, 4))) == 0.25


def test_rank_correlation():
    heat = np.random.default_rng(0).random((6, 5))
    assert metrics.spearman(heat, np.exp(heat)) == pytest.approx(1)
    assert metrics.spearman(heat, -heat) == pytest.approx(-1)
    assert metrics.spearman([1, 2, 2, 4], [1, 3, 2, 4]) == pytest.approx(0.9486832980505138)
    assert np.isnan(metrics.spearman(heat, np.ones_like(heat)))
    with pytest.raises(OptionError, match=r"two arrays of one shape are needed, got \(6, 5\) and \(5, 6\)"):
        metrics.spearman(heat, heat.T)


def test_pointing_game_counts_ties_by_chance():
    heat = np.zeros((4, 4))
    heat[0, 0] = 1
    assert metrics.pointing_game(heat, TRUTH) == 1
    heat[3, 3] = 1
    assert metrics.pointing_game(heat, TRUTH) == 0.5
    assert metrics.pointing_game(np.ones((4, 4)), TRUTH) == 0.25


def test_the_best_share_of_a_ranking_is_that_of_a_perfect_one():
    truth = np.zeros((4, 4), dtype=bool)
    truth[1, :3] = True
    ranking = np.argsort(~truth.ravel(), kind="stable")
    assert metrics.best_iou(ranking, truth) == (1, 3 / 16)
    assert metrics.best_iou(ranking[::-1], truth) == (3 / 16, 1)
    late = np.concatenate([ranking[3:5], ranking[:3], ranking[5:]])  # two wrong ones first
    assert metrics.best_iou(late, truth) == (3 / 5, 5 / 16)
    assert metrics.best_iou(ranking, np.zeros_like(truth)) == (0, 1 / 16)
    with pytest.raises(OptionError, match=r"ranking and truth are \(4,\) and \(4, 4\)"):
        metrics.best_iou(ranking[:4], truth)


def brightness(images):
    """The score of label 1 is the share of white pixels."""
    share = images.mean(axis=(1, 2, 3)) / 255
    return np.stack([1 - share, share], axis=1)


def test_curves_of_a_score_that_counts_pixels():
    image, baseline = np.full((10, 10, 3), 255, np.uint8), np.zeros((10, 10, 3), np.uint8)
    ranking = np.random.default_rng(0).permutation(100)
    insertion = metrics.insertion_curve(brightness, image, baseline, ranking, 1, steps=20, batch_size=3)
    deletion = metrics.deletion_curve(brightness, image, baseline, ranking, 1, steps=20)
    np.testing.assert_allclose(insertion.scores, insertion.shares)
    np.testing.assert_allclose(deletion.scores, 1 - deletion.shares)
    assert insertion.auc == pytest.approx(0.5)
    assert not insertion.is_top[:11].any()
    assert insertion.is_top[11:].all()
    assert len(insertion.shares) == 21
    some = metrics.insertion_curve(brightness, image, baseline, ranking, 1, shares=[0.6, 0.1, 0.25])
    np.testing.assert_allclose(some.scores, [0.6, 0.1, 0.25])
    assert some.is_top.tolist() == [True, False, False]
    none = metrics.deletion_curve(brightness, image, baseline, ranking, 1, shares=[0])
    assert none.scores.tolist() == [1]


def test_areas_relative_to_the_intact_score():
    curve = metrics.Curve(np.array([0, 0.5, 1]), np.array([0, 0.4, 0.4]), np.zeros(3, dtype=bool))
    assert curve.auc == pytest.approx(0.3)
    assert curve.relative_auc(0.4) == pytest.approx(0.75)
    assert np.isnan(curve.relative_auc(0))


def test_a_perfect_ranking_has_a_perfect_curve():
    scene = plant("needs_a")

    def probabilities(images):
        return np.eye(2)[scene.scores(images).argmax(axis=1)]

    inside = scene.pixels("A").ravel()
    ranking = np.concatenate([np.flatnonzero(inside), np.flatnonzero(~inside)])
    grey = np.full_like(scene.image, 128)
    best = metrics.insertion_curve(probabilities, scene.image, grey, ranking, 1, steps=64)
    worst = metrics.insertion_curve(probabilities, scene.image, grey, ranking[::-1].copy(), 1, steps=64)
    assert best.auc == pytest.approx(1 - 0.5 / 64)
    assert worst.auc == pytest.approx(0.5 / 64)
    np.testing.assert_allclose(metrics.retained_curve([best, worst])[[0, 1, 63, 64]], [0, 0.5, 0.5, 1])
    deletion = metrics.deletion_curve(probabilities, scene.image, grey, ranking, 1, steps=64)
    assert deletion.auc == pytest.approx(0.5 / 64)


def test_labels_alone_give_curves_without_scores():
    image, baseline = np.full((4, 4, 3), 255, np.uint8), np.zeros((4, 4, 3), np.uint8)
    curve = metrics.insertion_curve(
        lambda images: brightness(images).argmax(axis=1), image, baseline, np.arange(16), 1, steps=4
    )
    assert np.isnan(curve.scores).all()
    assert curve.is_top.tolist() == [False, False, False, True, True]


def test_robustness_is_the_share_of_backgrounds():
    scene = plant("needs_a_and_b")
    red, grey = np.full_like(scene.image, 0), np.full_like(scene.image, 128)
    red[..., 0] = 255
    assert metrics.robustness(scene.scores, scene.image, scene.pixels("AB"), 1, np.stack([grey, red])) == 1
    assert metrics.robustness(scene.scores, scene.image, scene.pixels("A"), 1, np.stack([grey, red])) == 0.5


def test_bootstrap_interval_covers_the_mean():
    values = np.random.default_rng(1).normal(3, 1, 400)
    low, high = metrics.bootstrap_interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.15)
    assert metrics.bootstrap_interval([2.0, 2.0]) == (2.0, 2.0)
    assert metrics.bootstrap_interval(values, seed=5) == metrics.bootstrap_interval(values, seed=5)


def test_what_cannot_be_measured():
    with pytest.raises(OptionError, match=r"got \(4, 4\) and \(2, 2\)"):
        metrics.iou(KEPT, KEPT[:2, :2])
    with pytest.raises(OptionError, match="the occlusion has no pixel"):
        metrics.occlusion_covered(KEPT, np.zeros_like(KEPT))
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(OptionError, match="image, baseline and ranking are"):
        metrics.insertion_curve(brightness, image, image, np.arange(15), 1)
    for shares in ([], [-0.1], [1.1], [np.nan], [[0.5]]):
        with pytest.raises(OptionError, match="numbers from 0 to 1 are needed"):
            metrics.deletion_curve(brightness, image, image, np.arange(16), 1, shares=shares)
    with pytest.raises(OptionError, match="steps is 0"):
        metrics.deletion_curve(brightness, image, image, np.arange(16), 1, steps=0)
    with pytest.raises(OptionError, match="label is 2; a whole number from 0 to 1 is needed"):
        metrics.insertion_curve(brightness, image, image, np.arange(16), 2)
    with pytest.raises(OptionError, match=r"backgrounds must be \(n, 4, 4, 3\)"):
        metrics.robustness(brightness, image, KEPT, 1, image)
    with pytest.raises(OptionError, match=r"values must be \(n,\)"):
        metrics.bootstrap_interval([])
