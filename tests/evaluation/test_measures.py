"""The parts of an evaluation: what is read, what is extracted, what is measured, what the table says."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from PIL import Image

from dccausal import explain
from dccausal.errors import OptionError
from dccausal.evaluation.backgrounds import Backgrounds
from dccausal.evaluation.extract import CountedClassifier, Scene, extract
from dccausal.evaluation.measure import MethodResult, Settings, measure
from dccausal.evaluation.methods import check_method
from dccausal.evaluation.plots import plots
from dccausal.evaluation.specs import MethodSpec, read_external, read_floors, read_methods
from dccausal.evaluation.table import (
    Mean,
    cells,
    difference_cells,
    difference_of,
    markdown,
    mean_of,
    table_csv,
)
from planted import plant
from small_models import on_cpu

# What the options say


def test_methods_have_options_of_their_own():
    assert read_methods("dc-causal, rise:masks=40:probability=0.3") == [
        MethodSpec("dc-causal", "dc-causal", {}),
        MethodSpec("rise:masks=40:probability=0.3", "rise", {"masks": 40, "probability": 0.3}),
    ]
    options = read_methods("x:refine-equal=true:world=intact:min_side=1e-1")[0].options
    assert options == {"refine_equal": True, "world": "intact", "min_side": 0.1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "--methods has ''; NAME or NAME:OPTION=VALUE"),
        ("a,,b", "--methods has ''"),
        ("a:b", "--methods has 'b' in 'a:b'"),
        ("a:b=", "--methods has 'b=' in"),
        ("a:1x=2", "--methods has '1x=2'"),
        ("a:b=1:b=2", "has b twice"),
        ("a,b,a", "names a twice"),
    ],
)
def test_methods_that_cannot_be_read(text, said):
    with pytest.raises(OptionError, match=said):
        read_methods(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing", "'nothing'; one of dc-causal"),
        ("rise:mask=4", "given the option 'mask'"),
        ("rise:masks=0", "masks is 0"),
        ("dc-causal:partitions=x", "partitions is 'x'"),
    ],
)
def test_methods_that_there_are_not(text, said):
    with pytest.raises(OptionError, match=said):
        check_method(read_methods(text)[0])


def test_options_of_the_extraction_go_with_any_method():
    check_method(read_methods("rise:masks=4:grid=8:max_calls=100")[0])


def test_floors():
    assert read_floors("0,0.5, 1") == (0, 0.5, 1)
    for text in ("", "a", "0,0", "-0.1", "1.1", "nan"):
        with pytest.raises(OptionError, match="--min-confidence is"):
            read_floors(text)


def test_external_results_are_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.touch()
    assert read_external(f"a={path},b={path}") == {"a": path, "b": path}
    assert read_external(None) == {}
    for text, said in (("a", "NAME=FILE"), ("a=gone", "no such file"), (f"a={path},a={path}", "a twice")):
        with pytest.raises(OptionError, match=said):
            read_external(text)


# Extraction and measures


def _probabilities(scene):
    def classify(images):
        logits = scene.scores(images)
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    return classify


def _grey(scene):
    return np.full_like(scene.image, 128)


@pytest.mark.parametrize("floor", [0.0, 0.9])
@pytest.mark.parametrize("name", ["needs_a_and_b", "a_or_b", "needs_four_corners", "graded"])
def test_extraction_is_that_of_explain(name, floor):
    scene = plant(name)
    classify = _probabilities(scene)
    found = explain(scene.image, classify, grid=8, partitions=4, min_confidence=floor, levels=())
    counted = CountedClassifier(classify)
    seen = Scene.of(classify, scene.image, found.baseline[None], multi_label=False)
    result = extract(counted, seen, found.heatmap, found.label, floor=floor, grid=8)
    np.testing.assert_array_equal(result.kept, found.kept)
    assert result.outcome == found.outcome == "minimal"
    assert result.grown.mean() == found.statistics["grown_size"]
    assert result.n_calls == counted.n_calls
    assert 0 < result.n_growth <= result.n_calls
    grown = extract(counted, seen, found.heatmap, found.label, floor=floor, grid=8, is_grown_enough=True)
    np.testing.assert_array_equal(grown.grown, result.grown)
    assert grown.n_growth == result.n_growth


def test_nothing_is_asked_where_the_label_stays_anyway():
    def always(images):
        return np.tile([0.2, 0.8], (len(images), 1))

    image = np.zeros((16, 16, 3), np.uint8)
    scene = Scene.of(always, image, image[None], multi_label=False)
    counted = CountedClassifier(always)
    result = extract(counted, scene, np.ones((16, 16), np.float32), 1)
    assert (result.outcome, result.n_calls, result.kept.sum(), counted.n_calls) == ("trivial", 0, 0, 0)


def _perfect(scene, classify, **changes):
    """Return what a method would find that knows where the boxes are."""
    inside = scene.pixels("AB")
    ranking = np.argsort(~inside.ravel(), kind="stable")
    values = {
        "heatmap": inside.astype(np.float32),
        "ranking": ranking,
        "kept": inside,
        "label": 1,
        "name": "planted",
        "outcome": None,
        "calls": {"all": 70, "search": 50},
        "seconds": 1.5,
        "model_seconds": None,
        "grid": 8,
    }
    return MethodResult(**{**values, **changes}), Scene.of(
        classify, scene.image, _grey(scene)[None], multi_label=False
    )


def test_measures_with_known_answers():
    scene = plant("needs_a_and_b")
    classify = _probabilities(scene)
    found, seen = _perfect(scene, classify)
    counted = CountedClassifier(classify)
    row = measure(found, seen, scene.pixels("A"), None, counted, Settings("occlusion", (0.0, 0.5), steps=64))
    both = 128 / 4096
    for ending in ("", "_grown", "@0", "@0.5"):
        assert row[f"size{ending}"] == both
        assert row[f"covered{ending}"] == 1
        assert row[f"share{ending}"] == 0.5
    assert row["calls"] == 70
    assert row["cost@0.5"] == 50 + row["calls@0.5"] + 3
    assert 53 < row["cost_grown"] < row["cost@0"] == 50 + row["calls@0"] + 3
    assert (row["seconds"], row["model_seconds"], row["outcome"]) == (1.5, None, None)
    # The label comes with the 2nd of 64 steps, and goes with the 1st.
    assert row["insertion"] == pytest.approx(1 - 1.5 / 64, abs=0.001)
    assert row["deletion"] == pytest.approx(0.5 / 64, abs=0.001)
    assert row["insertion_relative"] == pytest.approx(row["insertion"] / row["score"])
    assert [row[f"retained@{share}"] for share in (0.01, 0.02, 0.05, 0.75)] == [False, False, True, True]
    assert row["measuring_calls"] + row["extraction_calls"] == counted.n_calls
    assert row["measuring_calls"] == 2 * 65 + 10 + 3
    assert row["explanation_score@0.5"] == pytest.approx(row["score"])
    assert "iou" not in row
    assert "robustness" not in row


def test_measures_of_localisation():
    scene = plant("needs_a_and_b")
    classify = _probabilities(scene)
    found, seen = _perfect(scene, classify)
    row = measure(found, seen, scene.pixels("A"), None, classify, Settings("object", (0.0,)))
    assert (row["iou"], row["iou@0"], row["pointing"]) == (0.5, 0.5, 0.5)
    assert row["best_iou"] >= 0.5
    assert "covered" not in row
    row = measure(found, seen, scene.pixels("AB"), None, classify, Settings("object", (0.0,)))
    assert (row["iou"], row["pointing"], row["best_iou"], row["best_iou_share"]) == (1, 1, 1, 128 / 4096)
    assert "iou" not in measure(found, seen, None, None, classify, Settings("object", (0.0,)))


def test_a_methods_own_explanation_stands_for_the_first_floor():
    """A kept set that no extraction would give shows that it is not made anew."""
    scene = plant("needs_a_and_b")
    classify = _probabilities(scene)
    odd = scene.pixels("AB")
    odd[0] = True
    found, seen = _perfect(scene, classify, kept=odd, outcome="minimal")
    row = measure(found, seen, None, None, classify, Settings("occlusion", (0.5, 0.0)))
    assert row["size@0.5"] == row["size"] == odd.mean()
    assert row["size@0"] == row["size_grown"] == 128 / 4096
    assert "calls@0.5" not in row
    assert row["cost@0.5"] == 70
    assert row["calls@0"] > 0


def test_a_ranking_alone_or_an_explanation_alone_is_measured_too():
    scene = plant("needs_a_and_b")
    classify = _probabilities(scene)
    found, seen = _perfect(scene, classify, heatmap=None, ranking=None)
    row = measure(found, seen, scene.pixels("A"), None, classify, Settings("occlusion", (0.0,)))
    assert row["covered"] == 1
    assert not {"insertion", "size_grown", "size@0"} & set(row)
    found, seen = _perfect(scene, classify, kept=None)
    row = measure(found, seen, scene.pixels("A"), None, classify, Settings("occlusion", (0.0,)))
    assert row["size@0"] == 128 / 4096


def test_explanations_are_laid_on_photographs_of_another_label(tmp_path, planted):
    scene = planted("needs_a_and_b")
    classifier = on_cpu(scene.path)
    rng = np.random.default_rng(2)
    for i in range(3):
        Image.fromarray(rng.integers(0, 60, (64, 64, 3), np.uint8)).save(tmp_path / f"{i}.png")
    Image.fromarray(scene.image).save(tmp_path / "same.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    paths = [str(path) for path in sorted(tmp_path.glob("*.png"))]
    backgrounds = Backgrounds(paths, classifier, 3, 0)
    chosen = backgrounds.of(0, str(tmp_path / "0.png"), 1)
    assert len(chosen) == 2
    assert chosen.max() < 60
    assert len(backgrounds.of(0, "another", 1)) == 3
    assert Backgrounds([str(scene.photo)], classifier, 3, 0).of(0, "another", 1) is None
    found, seen = _perfect(scene, classifier)
    row = measure(found, seen, None, chosen, classifier, Settings("occlusion", (0.0,)))
    assert row["robustness"] == row["robustness@0"] == 1
    found, seen = _perfect(scene, classifier, kept=scene.pixels("A"))
    row = measure(found, seen, None, chosen, classifier, Settings("occlusion", (0.0,)))
    assert (row["robustness"], row["robustness@0"]) == (0, 1)


# The table


def _row(index, method, **values):
    return {"index": index, "file": f"{index}.png", "method": method, "outcome": "minimal", **values}


ROWS = [
    *(_row(i, "one", **{"calls": 100 + i, "size": 0.1, "size@0": 0.1, "is_right": True}) for i in range(4)),
    *(_row(i, "two|x", **{"calls": 200 + i, "size": 0.2, "size@0": 0.2 if i else None}) for i in range(4)),
]


def test_means_and_paired_differences():
    assert mean_of(ROWS, "one", "calls").mean == 101.5
    assert mean_of(ROWS, "two|x", "size@0") == Mean(
        pytest.approx(0.2), pytest.approx(0.2), pytest.approx(0.2), 3
    )
    assert mean_of(ROWS, "two|x", "is_right") is None
    pair = difference_of(ROWS, "two|x", "one", "calls")
    assert (pair.mean, pair.low, pair.high, pair.n) == (100, 100, 100, 4)
    assert difference_of(ROWS, "two|x", "one", "size@0").n == 3


def test_tables_for_people_and_for_programs():
    table = cells(ROWS, ["one", "two|x"])
    assert table[:2] == [["", "one", "two|x"], ["photographs", "4", "4"]]
    by_title = {row[0]: row[1:] for row in table}
    assert by_title["size, minimal at 0, %"] == ["10.0 [10.0, 10.0]", "20.0 [20.0, 20.0], n = 3"]
    assert by_title["top label is the truth's, %"][1] == "-"
    assert "size, its own explanation, %" not in by_title
    text = markdown(table)
    assert text.splitlines()[0] == r"|  | one | two\|x |"
    assert text.splitlines()[1] == "| --- | ---: | ---: |"
    assert ["model calls", "100 [100, 100]"] in difference_cells(ROWS, ["one", "two|x"])
    lines = list(csv.DictReader(io.StringIO(table_csv(ROWS, ["one", "two|x"]))))
    found = {(line["method"], line["measure"]): line for line in lines}
    assert found["two|x", "calls"]["difference"] == "100"
    assert found["one", "calls"]["difference"] == ""
    assert "index" not in {line["measure"] for line in lines}


def test_plots_of_what_there_is():
    assert set(plots(ROWS, ["one", "two|x"])) == {"size_calls.png", "sizes.png"}
    assert plots([_row(0, "one", calls=3)], ["one"]) == {}
