"""The command ``evaluate``: what it writes, and what it refuses."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.app import main
from dccausal.evaluation.sheets import partitions_sheet
from evaluations import FAST, METHOD, arguments_of, rows_of, said_by
from small_models import on_cpu


def test_a_run_has_the_known_answers(few, capsys):
    code = main(arguments_of("--min-confidence", "0,0.5", methods=f"{METHOD},random:grid=8"))
    out, err = said_by(capsys)
    assert code == 2
    rows = rows_of(few / "run")
    assert [(row["file"], row["error"]) for row in rows if row["method"] == METHOD] == [
        ("p00.png", None),
        ("p01.png", None),
        ("p02.png", "ImageError"),
        ("p03.png", None),
    ]
    for row in rows:
        if row["error"] is None:
            assert (row["label"], row["is_right"], row["outcome"]) == (1, True, "minimal")
            for ending in ("", "@0", "@0.5"):
                assert (row[f"size{ending}"], row[f"covered{ending}"], row[f"share{ending}"]) == (
                    1 / 32,
                    1,
                    0.5,
                )
            phases = sum(row[f"calls_{phase}"] for phase in ("search", "growth", "shrinking", "remainder"))
            assert (
                phases + 5 == row["calls"] == row["cost@0"]
            )  # the two first images, and three nested sets at the end
            assert row["cost_grown"] < row["cost@0"] or row["method"] != METHOD
            assert row["score"] > 0.99
            assert row["is_minimal"] is True
            assert len(row["insertion_scores"]) == 51
    assert "p02.png is not an image" in err
    assert "6 explanations measured on 4 photographs (2 failed, 0 left out)" in out
    assert "size, minimal at 0.5, %" in out


def test_a_run_ends_in_tables_plots_and_sheets(few):
    main(arguments_of("--sheet", 1, methods=f"{METHOD},random:grid=8"))
    run = few / "run"
    with (run / "evaluation.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    rows = rows_of(run)
    assert len(lines) == len(rows) == 8
    assert [line["method"] for line in lines[:2]] == [METHOD, "random:grid=8"]
    assert float(lines[0]["size@0"]) == 1 / 32
    assert "insertion_scores" not in lines[0]
    with (run / "table.csv").open(newline="") as stream:
        table = {(line["method"], line["measure"]): line for line in csv.DictReader(stream)}
    assert table["random:grid=8", "covered@0"]["n"] == "3"
    assert float(table["random:grid=8", "covered@0"]["difference"]) == 0
    with (run / "curves.csv").open(newline="") as stream:
        points = [line for line in csv.DictReader(stream) if line["method"] == "random:grid=8"]
    curves = [row["deletion_scores"] for row in rows if row["method"] == "random:grid=8" and not row["error"]]
    assert [float(point["share"]) for point in points] == [i / 50 for i in range(51)]
    assert {point["n"] for point in points} == {str(len(curves))}
    np.testing.assert_allclose(
        [float(point["deletion"]) for point in points], np.mean(curves, axis=0), atol=1e-5
    )
    assert "| size, minimal at 0, % | 3.1 [3.1, 3.1] |" in (run / "table.md").read_text()
    for name in ("size_calls.png", "curves.png", "sizes.png"):
        with Image.open(run / "plots" / name) as image:
            assert min(image.size) > 300
            assert np.asarray(image.convert("L")).std() > 5
    with Image.open(run / "sheets" / "methods.png") as image:
        assert image.size == (16 + 5 * (224 + 16), 16 + 224 + 2 * 22 + 16 + 16)
    assert sorted(path.name for path in (run / "images").iterdir()) == ["p00"]
    names = {path.name for path in (run / "images" / "p00" / "random-grid=8").iterdir()}
    assert names == {"heatmap.npy", "overlay.png", "kept.png", "explanation.png"}


def test_rows_go_to_parquet_where_that_can_be_written(few):
    parquet = pytest.importorskip("pyarrow.parquet")
    main(arguments_of("--no-plots", "--sheet", 0))
    table = parquet.read_table(few / "run" / "evaluation.parquet").to_pylist()
    rows = sorted(rows_of(few / "run"), key=lambda row: row["index"])
    assert [row["file"] for row in table] == [row["file"] for row in rows]
    assert table[0]["insertion_scores"] == rows[0]["insertion_scores"]
    assert table[0]["calls"] == rows[0]["calls"]
    assert table[2]["calls"] is None
    assert not (few / "run" / "plots").exists()
    assert not (few / "run" / "sheets").exists()


def test_methods_and_external_results_may_be_added_to_a_run(few, capsys):
    main(arguments_of("--no-plots", "--sheet", 0))
    before = (few / "run" / "evaluation.jsonl").read_bytes()
    kept = np.zeros((64, 64), bool)
    kept[:, :32] = True
    np.save(few / "kept.npy", kept)
    line = {"file": "p00.png", "calls": 9, "seconds": 0.25, "mask": "kept.npy"}
    (few / "other.jsonl").write_text(json.dumps(line) + "\n")
    capsys.readouterr()
    more = ("--external", "other=other.jsonl", "--resume", "--no-plots", "--sheet", 1)
    assert main(arguments_of(*more, methods=f"{METHOD},random:grid=8")) == 2
    assert "resumed: 4 of 12" in said_by(capsys)[1]
    assert (few / "run" / "evaluation.jsonl").read_bytes().startswith(before)
    rows = rows_of(few / "run")
    (other,) = [row for row in rows if row["method"] == "other"]
    assert (other["size"], other["calls"], other["seconds"]) == (0.5, 9, 0.25)
    assert len([row for row in rows if row["method"] == "random:grid=8"]) == 4
    (few / "other.jsonl").write_text(
        "".join(json.dumps({**line, "file": f"p0{i}.png"}) + "\n" for i in (0, 1))
    )
    main(arguments_of(*more, methods=METHOD))
    assert sum(row["method"] == "other" for row in rows_of(few / "run")) == 2
    assert (few / "run" / "table.md").read_text().splitlines()[
        0
    ] == f"|  | {METHOD} | other | random:grid=8 |"


def test_a_run_is_not_begun_twice_nor_continued_otherwise(few, capsys):
    assert main(arguments_of("--seed", 1, "--no-plots")) == 2
    capsys.readouterr()
    assert main(arguments_of("--seed", 1, "--no-plots")) == 2
    assert "run holds a run already; --resume continues it" in said_by(capsys)[1]
    content = (few / "run" / "evaluation.jsonl").read_bytes()
    with (few / "truth.csv").open("a") as stream:
        stream.write("\n")
    arguments = (
        "--seed",
        2,
        "--steps",
        20,
        "--min-confidence",
        0.5,
        "--only-right",
        "--resume",
        "--no-plots",
    )
    assert main(arguments_of(*arguments)) == 2
    said = said_by(capsys)[1]
    for text in (
        "--seed was 1 and is 2",
        "--steps was 50 and is 20",
        "--only-right was false and is true",
        "--min-confidence was [0.0] and is [0.5]",
        "--truth-sha256 was",
    ):
        assert text in said
    assert (few / "run" / "evaluation.jsonl").read_bytes() == content


def test_photographs_are_drawn_by_the_seed_and_more_hold_the_fewer(few):
    def chosen(n, seed):
        main(arguments_of("--n", n, "--seed", seed, "--no-plots", "--sheet", 0, out=f"run{n}-{seed}"))
        return {row["file"] for row in rows_of(few / f"run{n}-{seed}")}

    assert len(chosen(2, 1)) == 2
    assert chosen(2, 1) <= chosen(3, 1)
    assert len({frozenset(chosen(2, seed)) for seed in range(5)}) > 1


def test_photographs_that_are_not_right_may_be_left_out(few, capsys):
    text = (few / "truth.csv").read_text().replace("p01.png,1,", "p01.png,0,")
    (few / "truth.csv").write_text(text)
    main(arguments_of("--only-right", "--no-plots"))
    rows = {row["file"]: row for row in rows_of(few / "run")}
    assert rows["p01.png"]["left_out"] == "the top label is not the truth's"
    assert rows["p01.png"]["is_right"] is False
    assert "size" not in rows["p01.png"]
    assert rows["p00.png"]["size"] == 1 / 32
    assert "2 explanations measured on 4 photographs (1 failed, 1 left out)" in said_by(capsys)[0]


def test_boxes_of_objects_give_measures_of_localisation(few):
    main(arguments_of("--truth-kind", "object", "--no-plots", "--backgrounds", 2))
    row = rows_of(few / "run")[0]
    assert row["iou"] == 0.5
    assert "covered" not in row
    assert "robustness" not in row  # every photograph has the same label
    with (few / "boxes.csv").open("w") as stream:
        stream.write("file,top,left,bottom,right\np00.png,0,0,63,63\n")
    main(arguments_of("--no-plots", truth="boxes.csv", out="boxes"))
    row = rows_of(few / "boxes")[0]
    assert (row["iou"], row["pointing"], row["best_iou"], row["is_right"]) == (1 / 32, 1, 1, None)


def test_plain_backgrounds_that_were_not_asked_tell_how_far_it_holds(few):
    main(arguments_of("--no-plots", "--sheet", 0, "--backgrounds", "2,neutral"))
    main(
        arguments_of(
            "--no-plots", "--sheet", 0, "--backgrounds", "neutral", "--baseline", "grey,blue", out="two"
        )
    )
    one, two = rows_of(few / "run")[0], rows_of(few / "two")[0]
    assert one["neutral"] == one["neutral@0"] == 1  # the boxes are red enough anywhere
    assert two["neutral"] == 1
    assert two["calls"] > one["calls"]
    assert "neutral_grown" not in one
    for run in ("run", "two"):
        table = (few / run / "table.md").read_text()
        assert "label kept beside unseen plain backgrounds, minimal at 0, %" in table
    manifest = json.loads((few / "two" / "manifest.json").read_text())
    assert manifest["options"]["baseline"] == ["grey", "blue"]
    assert manifest["options"]["backgrounds"] == "0,neutral"


def test_a_floor_costs_calls_that_are_counted_apart(few):
    main(arguments_of("--no-plots", "--sheet", 0))
    main(arguments_of("--min-confidence", "0,0.5,0.9", "--no-plots", "--sheet", 0, out="floors"))
    one, three = rows_of(few / "run")[0], rows_of(few / "floors")[0]
    assert one["calls"] == three["calls"]
    assert (three["size@0.9"], three["size@0.5"]) == (1 / 32, 1 / 32)  # nested sets, at hand
    assert three["extraction_calls"] == one["extraction_calls"]
    main(arguments_of("--min-confidence", "0,0.7", "--no-plots", "--sheet", 0, out="another"))
    two = rows_of(few / "another")[0]
    assert two["calls@0.7"] > 0
    assert two["extraction_calls"] == one["extraction_calls"] + two["calls@0.7"]


def test_further_seeds_tell_how_alike_explanations_are_and_cost_nothing_of_its_own(few):
    methods = f"{METHOD},rise:masks=20"
    main(arguments_of("--no-plots", "--sheet", 0, methods=methods))
    main(arguments_of("--no-plots", "--sheet", 0, "--seeds", 3, methods=methods, out="seeds"))
    one, three = (
        {row["method"]: row for row in rows_of(few / run) if row["index"] == 0} for run in ("run", "seeds")
    )
    assert not any(column.startswith("seeds") for row in one.values() for column in row)
    assert not any(column.startswith("seeds") for column in three["rise:masks=20"])
    causal = three[METHOD]
    assert {key: causal[key] for key in one[METHOD] if not key.endswith("seconds")} == {
        key: value for key, value in one[METHOD].items() if not key.endswith("seconds")
    }
    assert causal["seeds_iou"] == 1  # the planted boxes, whatever the seed
    assert 0 < causal["seeds_spearman"] <= 1
    assert causal["seeds_calls"] > causal["calls"]
    assert (causal["pieces"], causal["holes"], causal["holds_peak"]) == (2, 0, 1)
    assert "other seeds: IoU of the kept pixels" in (few / "seeds" / "table.md").read_text()
    assert "seeds_spearman" in (few / "seeds" / "table.csv").read_text()


# What is refused before any work


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--truth", "gone.csv"), "gone.csv cannot be read"),
        (("--truth-kind", "cat"), "--truth-kind is 'cat'; one of occlusion, object"),
        (("--methods", "dc-causl"), "--methods has 'dc-causl'"),
        (("--methods", "a b,a-b"), "--methods has 'a b'"),
        (("--external", "x=gone.jsonl"), "no such file"),
        (("--min-confidence", "2"), "--min-confidence is '2'"),
        (("--n", "0"), "--n is 0"),
        (("--steps", "0"), "--steps is 0"),
        (("--seed", "-1"), "--seed is -1"),
        (("--max-calls", "3"), "--max-calls is 3"),
        (("--baseline", "nocolour"), "--baseline is 'nocolour'"),
        (("--baseline", "grey,nocolour"), "--baseline is 'nocolour'"),
        (("--backgrounds", "plain"), "--backgrounds is 'plain'; a number of photographs, neutral, or both"),
        (("--backgrounds", "-1"), "--backgrounds is '-1'"),
        (("--figure", "cat"), "--figure is 'cat'; partitions is needed"),
        (("--model", "gone.onnx"), "gone.onnx"),
        (("--out", "truth.csv"), "truth.csv/manifest.json cannot be read"),
        (("--external", "random:grid=8=x.jsonl"), "no such file"),
    ],
)
def test_bad_input_is_refused_at_once(few, capsys, arguments, said):
    assert main([*arguments_of("--no-plots"), *arguments]) == 2
    assert said in said_by(capsys)[1]
    assert not (few / "run").exists()


def test_the_truth_and_its_photographs_have_to_be_there(few, capsys):
    assert main(["evaluate", "photos", *FAST]) == 2
    assert "--truth is missing" in said_by(capsys)[1]
    (few / "empty").mkdir()
    assert main(["evaluate", "empty", "--truth", "truth.csv", *FAST]) == 2
    assert "empty holds none of the 4 photographs of truth.csv" in said_by(capsys)[1]


def test_names_that_would_share_a_folder_are_refused(few, capsys):
    (few / "x.jsonl").touch()
    assert main(arguments_of("--external", "random=x.jsonl", methods="random")) == 2
    assert "different names are needed" in said_by(capsys)[1]


def test_plots_need_their_package_at_the_start(few, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert main(arguments_of()) == 2
    assert 'pip install "dccausal[evaluate]"' in said_by(capsys)[1]
    assert not (few / "run").exists()


# The figure


def test_the_figure_of_partitions(few, capsys):
    photo = "photos/p00.png"
    sheet = partitions_sheet(photo, on_cpu("model.onnx"), numbers=(1, 2, 3, 4, 5), profile="fast", grid=8)
    assert sheet.size == (16 + 4 * (224 + 16), 16 + 2 * (224 + 2 * 22 + 16) + 16)
    assert (
        main(["evaluate", photo, "--figure", "partitions", "--profile", "fast", "--out", "fig", *FAST]) == 0
    )
    with Image.open(few / "fig" / "sheets" / "partitions.png") as image:
        assert image.size == sheet.size
    assert "written" in said_by(capsys)[0]
    assert (
        main(["evaluate", photo, "--figure", "partitions", "--profile", "slow", "--out", "fig", *FAST]) == 2
    )
    assert "slow" in said_by(capsys)[1]
