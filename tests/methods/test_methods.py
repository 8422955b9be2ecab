"""Other explainers: each equals its plain reference, finds what is planted, and keeps to the rules of the engine."""

from __future__ import annotations

import doctest
import importlib
import itertools
import os
import signal
import sys
import threading

import numpy as np
import pytest

import method_references as references
from dccausal import OnnxClassifier, OptionError, RuntimeMissingError, explain
from dccausal.methods import METHODS, explain_with
from dccausal.methods.base import MaskSearch
from dccausal.methods.rise import _bilinear
from dccausal.methods.sobol import _sequence
from make_planted import plant

SBFL = ["sbfl-tarantula", "sbfl-zoltar", "sbfl-ochiai", "sbfl-wong2"]
# Few questions, on the lattice that the boxes are planted on.
SMALL = {
    **{method: {"mutants": 200, "cells": 8, "mutation": "superpixels"} for method in SBFL},
    "rise": {"masks": 300, "cells": 8},
    "occlusion": {"window": 0.125, "stride": 0.125},
    "random": {},
    "lime": {"samples": 400, "segmentation": "lattice", "segments": 64},
    "kernel-shap": {"samples": 400, "segmentation": "lattice", "segments": 64},
    "partition-shap": {"max_evals": 300},
    "hsic": {"masks": 400},
    "sobol": {"designs": 8},
    "dc-causal": {"partitions": 4},
    "dc-causal-fast": {"partitions": 4},
    "dc-causal-paper": {"partitions": 4},
}
PACKAGES = {"lime": "lime", "kernel-shap": "shap"}  # on segments
EXTRAS = {**PACKAGES, "sobol": "scipy"}
# Enlarged smoothly, so that a cell's rim is less hot than its middle.
SMOOTH = ("rise", "hsic", "sobol")
BASE = [name for name in SMALL if name not in PACKAGES]
SIZE = (12, 20)


def scores(images):
    """Probabilities that depend on all of the image, and on the upper left most; the first label is given."""
    weights = np.linspace(2, 0, SIZE[0])[:, None] * np.linspace(1, 0.1, SIZE[1])
    logit = ((images[..., 0] / 255 - 0.5) * weights).sum(axis=(1, 2)) / 8 - 1.5
    p = 1 / (1 + np.exp(-logit))
    return np.stack([p, 1 - p], axis=1)


@pytest.fixture
def photo():
    image = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    image[:6, :8, 0] |= 0xC0
    return image


def score(image):
    return np.float64(np.float32(scores(image[None])[0, 0]))


def grey(image):
    return np.full_like(image, 128)


def test_the_methods_are_those_promised_in_their_order():
    promised = [
        "dc-causal",
        "dc-causal-fast",
        "dc-causal-paper",
        *SBFL,
        "rise",
        "d-rise",
        "occlusion",
        "random",
        "lime",
    ]
    white_box = [name for name, method in METHODS.items() if method.needs_gradients]
    assert list(METHODS) == [*promised, "kernel-shap", "partition-shap", "hsic", "sobol", *white_box]
    assert all(name == method.name and method.summary for name, method in METHODS.items())


@pytest.mark.parametrize("share", [None, 0.3])
@pytest.mark.parametrize("mutation", ["square", "superpixels"])
@pytest.mark.parametrize("method", SBFL)
def test_fault_localisation_counts_as_the_reference(method, mutation, share, photo):
    options = {"mutants": 60, "mutation": mutation, "cells": 4, "share": share}
    assert scores(photo[None])[0, 0] > 0.5
    found = explain_with(method, photo, scores, seed=5, **options)
    heat = references.sbfl(
        photo, grey(photo), lambda image: score(image) > 0.5, method[5:], seed=5, **options
    )
    assert len(np.unique(heat)) > 4
    np.testing.assert_allclose(found.heatmap, references.scaled(heat), atol=1e-6)


def test_rise_adds_up_masks_as_the_reference(photo):
    options = {"masks": 40, "cells": 3, "probability": 0.4}
    found = explain_with("rise", photo, scores, seed=7, **options)
    heat = references.rise(photo, grey(photo), score, seed=7, **options)
    np.testing.assert_allclose(found.heatmap, references.scaled(heat), atol=1e-5)
    assert found.statistics["heatmap_peak"] == pytest.approx(heat.max(), rel=1e-5)


@pytest.mark.parametrize(("window", "stride"), [(0.3, 0.2), (0.5, 0.13), (1.0, 1.0)])
def test_occlusion_takes_the_mean_drop_as_the_reference(window, stride, photo):
    found = explain_with("occlusion", photo, scores, window=window, stride=stride, seed=2)
    heat = references.occlusion(photo, grey(photo), score, window=window, stride=stride)
    wanted = references.scaled(heat) if np.ptp(heat) else np.zeros(SIZE)
    np.testing.assert_allclose(found.heatmap, wanted, atol=1e-5)


@pytest.mark.parametrize(("n_cells", "cell"), [(1, 5), (2, 3), (7, 32)])
def test_masks_are_enlarged_as_by_the_authors_of_rise(n_cells, cell):
    transform = pytest.importorskip("skimage.transform")
    row = np.random.default_rng(1).random(n_cells)
    n = (n_cells + 1) * cell
    wanted = transform.resize(
        np.tile(row, (n_cells, 1)), (n, n), order=1, mode="reflect", anti_aliasing=False
    )
    np.testing.assert_allclose(_bilinear(n_cells, cell) @ row, wanted[0], atol=1e-6)


@pytest.mark.parametrize("masks", [30, 31])
def test_hsic_is_the_trace_of_the_reference(masks, photo):
    found = explain_with("hsic", photo, scores, seed=7, masks=masks, cells=3)
    heat = references.hsic(photo, grey(photo), score, seed=7, masks=masks, cells=3)
    np.testing.assert_allclose(found.heatmap, references.scaled(heat), atol=1e-5)
    assert found.statistics["heatmap_peak"] == pytest.approx(heat.max(), rel=1e-4)


def test_sobol_indices_are_those_of_the_reference(photo):
    pytest.importorskip("scipy")
    points = _sequence(8, 2 * 9, seed=7)
    found = explain_with("sobol", photo, scores, seed=7, designs=8, cells=3)
    heat = references.sobol(photo, grey(photo), score, points=points, cells=3)
    np.testing.assert_allclose(found.heatmap, references.scaled(heat), atol=1e-4)
    assert found.statistics["heatmap_peak"] == pytest.approx(heat.max(), rel=1e-3)
    assert found.statistics["model_calls_by_phase"]["search"] == 8 * (9 + 2)


def test_the_quasi_random_masks_are_spread_evenly():
    pytest.importorskip("scipy")
    points = _sequence(32, 128, seed=3)
    np.testing.assert_array_equal(
        np.sort(np.floor(points * 32), axis=0), np.tile(np.arange(32)[:, None], 128)
    )


@pytest.mark.parametrize(("max_evals", "round_size"), [(40, 10), (61, 4), (150, 50)])
def test_the_partition_explainer_divides_as_the_reference(max_evals, round_size, photo):
    options = {"max_evals": max_evals, "round_size": round_size}
    found = explain_with("partition-shap", photo, scores, **options)
    heat = references.partition(photo, grey(photo), score, **options)
    np.testing.assert_allclose(found.heatmap, references.scaled(heat), atol=1e-6)
    assert heat.sum() == pytest.approx(score(photo) - score(grey(photo)))
    assert found.statistics["model_calls_by_phase"]["search"] == max_evals // 2 * 2 - 1


def test_the_partition_explainer_ends_when_all_pixels_have_their_shares():
    image = np.zeros((2, 3, 3), dtype=np.uint8)
    image[1, 2] = 255

    def classify(images):
        share = images[:, 1, 2, 0] / 255
        return np.stack([share, 1 - share], axis=1)

    found = explain_with("partition-shap", image, classify, baseline="black", grid=3, round_size=4)
    assert found.statistics["model_calls_by_phase"]["search"] < 100
    np.testing.assert_array_equal(found.heatmap, image[..., 0] / 255)
    assert not found.notes


@pytest.mark.parametrize("method", SMALL)
def test_a_planted_box_is_found_exactly(method):
    if method in EXTRAS:
        pytest.importorskip(EXTRAS[method])
    planted = plant("needs_a")
    found = explain_with(method, planted.image, planted.scores, grid=8, **SMALL[method])
    assert found.outcome == "minimal"
    assert found.label == planted.label
    (box,) = planted.explanations
    np.testing.assert_array_equal(found.kept, box)
    if method != "random":
        assert found.heatmap[box].min() > np.median(found.heatmap[~box])
    if method != "random" and not method.startswith("dc"):
        assert found.heatmap[box].min() > found.heatmap[~box].max() or method in SMOOTH
        assert found.statistics["grown_size"] == found.size


@pytest.mark.parametrize("method", SBFL)
def test_squares_find_a_planted_box_too(method):
    planted = plant("needs_a")
    found = explain_with(method, planted.image, planted.scores, grid=8, mutants=400)
    np.testing.assert_array_equal(found.kept, planted.explanations[0])
    inside = planted.pixels("A")
    assert found.heatmap[inside].mean() > 1.5 * found.heatmap[~inside].mean()


@pytest.mark.parametrize("method", [name for name in SMALL if name not in ("random", "rise")])
def test_both_boxes_of_a_conjunction_stand_out(method):
    if method in EXTRAS:
        pytest.importorskip(EXTRAS[method])
    planted = plant("needs_a_and_b")
    found = explain_with(method, planted.image, planted.scores, grid=8, **SMALL[method])
    inside = planted.pixels("AB")
    assert found.heatmap[inside].mean() > 2 * found.heatmap[~inside].mean()


@pytest.mark.parametrize("method", SMALL)
def test_the_result_is_the_same_bytes_for_any_batch_size(method, planted):
    if method in EXTRAS:
        pytest.importorskip(EXTRAS[method])
    written = planted("graded")
    results = set()
    for batch_size, in_flight in [(1, 1), (7, 3), (64, 2)]:
        classifier = OnnxClassifier(written.path, device="cpu")
        found = explain_with(
            method,
            written.image,
            classifier,
            grid=8,
            batch_size=batch_size,
            in_flight=in_flight,
            **SMALL[method],
        )
        results.add((found.heatmap.tobytes(), found.kept.tobytes(), found.statistics["model_calls"]))
    assert len(results) == 1


@pytest.mark.parametrize("method", [name for name in SMALL if name not in ("occlusion", "partition-shap")])
def test_seeds_matter_and_repeat(method, photo):
    if method in EXTRAS:
        pytest.importorskip(EXTRAS[method])
    options = {**SMALL[method], **({"samples": 100} if method in PACKAGES else {})}
    one, again, other = (
        explain_with(method, photo, scores, seed=seed, **options).heatmap for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("method", "profile"),
    [("dc-causal", "default"), ("dc-causal-fast", None), ("dc-causal-paper", "paper")],
)
def test_causal_methods_are_those_of_explain(method, profile, photo):
    found = explain_with(method, photo, scores, grid=4, seed=3)
    profile = profile or found.provenance["profile"]
    assert profile in ("default", "paper", "fast")
    plain = explain(photo, scores, profile=profile, grid=4, seed=3)
    assert found.provenance["method_options"]["grid"] == 4
    np.testing.assert_array_equal(found.heatmap, plain.heatmap)
    np.testing.assert_array_equal(found.kept, plain.kept)
    assert found.provenance["method"] == method
    assert plain.provenance == {
        key: value for key, value in found.provenance.items() if not key.startswith("method")
    }


def test_provenance_and_statistics_are_those_of_the_method(photo):
    found = explain_with("rise", photo, scores, masks=33, seed=9, grid=5)
    assert found.provenance["method"] == "rise"
    assert found.provenance["method_options"] == {"masks": 33, "cells": 7, "probability": 0.5}
    assert found.provenance["seed"] == 9
    assert found.provenance["grid"] == 5
    assert not {"profile", "partitions", "world"} & found.provenance.keys()
    assert found.statistics["model_calls_by_phase"]["search"] == 33
    assert found.statistics["model_calls"] == sum(found.statistics["model_calls_by_phase"].values())
    assert found.statistics.keys() == explain(photo, scores).statistics.keys()


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("gradcam", {}, "method is 'gradcam'; one of dc-causal, "),
        (
            "rise",
            {"mask": 5},
            "'rise' was given the option 'mask'; one of masks, cells, probability is needed",
        ),
        ("random", {"masks": 5}, "'random' was given the option 'masks'; it has none"),
        ("dc-causal", {"masks": 5}, "'dc-causal' was given the option 'masks'; one of partitions, "),
        ("rise", {"masks": 0}, "masks is 0; a whole number from 1"),
        ("rise", {"cells": 2.5}, "cells is 2.5; a whole number"),
        ("rise", {"probability": 1}, "probability is 1; a number above 0 and below 1 is needed"),
        ("sbfl-ochiai", {"mutants": -1}, "mutants is -1"),
        ("sbfl-ochiai", {"mutation": "circle"}, "mutation is 'circle'; one of square, superpixels"),
        ("sbfl-ochiai", {"cells": 1}, "cells is 1; a whole number from 2"),
        ("sbfl-ochiai", {"share": 1.0}, "share is 1.0; a share above 0 and below 1, or None, is needed"),
        ("occlusion", {"window": 0}, "window is 0; a share above 0"),
        (
            "occlusion",
            {"window": 0.2, "stride": 0.3},
            "stride is 0.3; a share above 0 and at most the window's",
        ),
        ("hsic", {"masks": 20_001}, "masks is 20001; a whole number from 2 to 20000"),
        ("hsic", {"cells": 1}, "cells is 1; a whole number from 2"),
        ("sobol", {"designs": 24}, "designs is 24; a power of two is needed"),
        ("partition-shap", {"max_evals": 3}, "max_evals is 3"),
        ("partition-shap", {"round_size": 1}, "round_size is 1"),
        ("lime", {"samples": 1}, "samples is 1"),
        ("lime", {"segmentation": "voronoi"}, "segmentation is 'voronoi'; one of slic, quickshift, lattice"),
        ("kernel-shap", {"segments": 1}, "segments is 1"),
        ("rise", {"seed": -1}, "seed is -1"),
        ("rise", {"max_calls": 3}, "max_calls is 3"),
    ],
)
def test_bad_options_are_named(method, options, said, photo):
    with pytest.raises(OptionError) as error:
        explain_with(method, photo, scores, **options)
    assert said in str(error.value)


@pytest.mark.parametrize("method", [name for name in SMALL if METHODS[name].needs_scores])
def test_labels_alone_are_refused_where_scores_are_needed(method, photo):
    with pytest.raises(OptionError, match=f"method is '{method}', but the classifier returns labels only"):
        explain_with(method, photo, lambda images: scores(images).argmax(axis=1), **SMALL[method])


@pytest.mark.parametrize("method", [name for name in BASE if not METHODS[name].needs_scores])
def test_labels_alone_suffice_for_the_others(method):
    planted = plant("needs_a")
    found = explain_with(
        method, planted.image, lambda images: planted.scores(images).argmax(axis=1), grid=8, **SMALL[method]
    )
    np.testing.assert_array_equal(found.kept, planted.explanations[0])


@pytest.mark.parametrize("method", [*SBFL, "rise", "occlusion", "partition-shap", "hsic", *EXTRAS])
def test_a_budget_is_kept_and_said(method):
    if method in EXTRAS:
        pytest.importorskip(EXTRAS[method])
    planted, n_images = plant("needs_a"), 0

    def classify(images):
        nonlocal n_images
        n_images += len(images)
        return planted.scores(images)

    found = explain_with(method, planted.image, classify, grid=8, max_calls=60, **SMALL[method])
    assert found.statistics["model_calls"] == n_images <= 60
    n_asked = 35 if method == "partition-shap" else 36  # the baseline and pairs
    assert found.statistics["model_calls_by_phase"]["search"] == n_asked
    n = 34 if method == "kernel-shap" else n_asked
    assert any(f"The budget of model calls allowed the method {n} of" in note for note in found.notes)
    assert found.outcome in ("minimal", "sufficient")


def interrupted_at(call):
    """A classifier during whose call of that number Ctrl-C is pressed."""
    numbers = itertools.count(1)

    def classify(images):
        if next(numbers) == call:
            os.kill(os.getpid(), signal.SIGINT)
        return scores(images)

    return classify


def test_an_interrupted_method_returns_what_it_has(photo):
    classify = interrupted_at(4)
    assert threading.current_thread() is threading.main_thread()
    found = explain_with("rise", photo, classify, masks=1000, batch_size=10)
    assert found.outcome == "sufficient"
    assert 0 < found.statistics["model_calls_by_phase"]["search"] < 100
    assert found.heatmap.max() == 1
    assert any("Interrupted during search" in note for note in found.notes)
    with pytest.raises(KeyboardInterrupt):
        explain_with("rise", photo, interrupted_at(4), masks=1000, batch_size=10, on_interrupt="raise")


@pytest.mark.parametrize("method", PACKAGES)
def test_an_interrupted_package_says_that_it_has_nothing(method, photo):
    pytest.importorskip(PACKAGES[method])
    classify = interrupted_at(4)
    found = explain_with(method, photo, classify, segmentation="lattice", batch_size=10)
    assert found.outcome == "sufficient"
    assert not found.heatmap.any()
    assert "The method needs all its answers for a heatmap, so there is none." in found.notes


def test_batches_are_no_larger_than_asked_and_progress_is_told(photo):
    sizes, told = [], []

    def classify(images):
        sizes.append(len(images))
        return scores(images)

    explain_with("rise", photo, classify, masks=100, batch_size=16, progress=told.append)
    assert max(sizes) == 16
    expected = [one.n_expected for one in told if one.phase == "search" and one.n_expected]
    assert len(expected) > 3
    assert all(80 <= n <= 120 for n in expected)
    assert {one.phase for one in told} == {"search", "growth", "shrinking", "verification"}


class Noting(MaskSearch):
    """Asks about blank images, and notes the order in which answers are used."""

    def draw(self, index):
        return np.full((2, 2, 3), index, dtype=np.uint8)

    def use(self, index, *, is_passing, score):
        self.used = [*getattr(self, "used", []), (index, is_passing, score)]

    def heatmap(self):
        return np.zeros((2, 2))


def test_answers_are_used_in_the_order_of_the_questions():
    finder = Noting(None, None, 7, None)
    batches = [finder.propose(3) for _ in range(3)]
    assert [batch.images[:, 0, 0, 0].tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6]]
    assert finder.propose(3) is None
    for batch in reversed(batches):
        assert not finder.is_done
        index = batch.images[:, 0, 0, 0]
        finder.submit(batch, index % 2 == 0, index.astype(np.float32))
    assert finder.used == [(i, i % 2 == 0, float(i)) for i in range(7)]
    assert finder.is_done
    assert finder.progress == 1


@pytest.mark.parametrize("method", PACKAGES)
def test_a_missing_package_is_named_with_its_extra(method, photo, monkeypatch):
    module = {"lime": "lime.lime_image", "kernel-shap": "shap"}[method]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RuntimeMissingError, match=r"pip install 'dccausal\[rivals\]' is needed"):
        explain_with(method, photo, scores)


@pytest.mark.parametrize("method", PACKAGES)
@pytest.mark.parametrize("segmentation", ["slic", "quickshift"])
def test_segments_of_any_shape_carry_the_weights(method, segmentation, planted):
    pytest.importorskip(PACKAGES[method])
    pytest.importorskip("skimage")
    written = planted("needs_a")
    before = np.random.get_state()[1].copy()  # noqa: NPY002  the package draws from it
    found = explain_with(
        method,
        written.image,
        written.scores,
        samples=300,
        segmentation=segmentation,
        segments=30,
        baseline="blur",
    )
    assert found.outcome == "minimal"
    assert 1 < len(np.unique(found.heatmap)) < 200
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_linear_function_has_its_weights_as_shapley_values(photo):
    pytest.importorskip("shap")
    value = {(y, x): (y * 3 + x) / 40 for y in range(4) for x in range(4)}

    def linear(images):
        seen = (images != 128).any(axis=3).reshape(len(images), 4, 3, 4, 5).all(axis=(2, 4))
        total = 0.3 + sum(seen[:, y, x] * weight for (y, x), weight in value.items()) / 8
        return np.stack([total, np.full(len(images), 0.5)], axis=1)

    photo[photo == 128] = 127
    found = explain_with("kernel-shap", photo, linear, samples=300, segmentation="lattice", segments=16)
    wanted = np.array([[value[y // 3, x // 5] for x in range(20)] for y in range(12)])
    np.testing.assert_allclose(found.heatmap, wanted / wanted.max(), atol=1e-3)


def test_the_example_in_the_documentation_runs():
    result = doctest.testmod(importlib.import_module("dccausal.methods.by_name"))
    assert result.attempted > 0
    assert result.failed == 0
