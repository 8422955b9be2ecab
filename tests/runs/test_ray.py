"""Runs on a real Ray: workers and drivers are killed, and the table is that of one process."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dccausal import OnnxClassifier
from dccausal.cli.app import main
from dccausal.errors import InputError, ModelError, OptionError
from dccausal.report.read import read_source
from dccausal.runs.cluster import start_ray
from dccausal.runs.folder import DRAWING, run_folder
from dccausal.runs.parts import parts_of, rows_of
from dccausal.runs.ray import Cluster, RayRun, explain_dataset
from dccausal.runs.ray_source import LISTING, source_of

TIMES = ("seconds", "model_seconds")
FAST = {"partitions": 2}
N = 40
# Ray starts processes and leaves sockets to them.
pytestmark = pytest.mark.filterwarnings("default")


def timeless(rows):
    found = [{key: value for key, value in row.items() if key not in TIMES} for row in rows]
    return sorted(found, key=lambda row: row["index"])


@pytest.fixture(scope="module")
def cluster():
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  as Ray calls it
    import ray

    ray.init(
        num_cpus=2,
        object_store_memory=100 << 20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def folder(planted, tmp_path_factory):
    """Photographs of which one in twenty is damaged, a model, and the run of one process over them."""
    folder = tmp_path_factory.mktemp("ray")
    scene = planted("needs_a_and_b")
    shutil.copy(scene.path, folder / "model.onnx")
    with Image.open(scene.photo) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for i in range(N):
        noisy = np.clip(pixels + rng.integers(-3, 4, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / "photos" / f"p{i:02d}.png")
        if i % 20 == 7:
            (folder / "photos" / f"p{i:02d}.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def here(folder):
    classifier = OnnxClassifier(folder / "model.onnx", device="cpu", many=True)
    with contextlib.chdir(folder):
        return timeless(row for row, _ in run_folder("photos", classifier, "here", **FAST))


def begin(folder, out, **how):
    from dccausal.engine.options import defaults

    given = {"files": True, "resume": True, "retry": False, "recursive": False, **how}
    return RayRun.begin(
        "photos",
        OnnxClassifier(folder / "model.onnx", device="cpu"),
        Path(out),
        cluster=Cluster(),
        drawing=DRAWING,
        options={**defaults(), **FAST},
        **given,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_killed_workers_lose_and_double_nothing(folder, here, monkeypatch):
    monkeypatch.chdir(folder)
    chance = random.Random(1)  # noqa: S311
    with begin(folder, "killed") as run:
        is_over = threading.Event()

        def kill():
            for _ in range(4):
                if is_over.wait(chance.uniform(0.5, 2)):
                    return
                with contextlib.suppress(ProcessLookupError, IndexError):  # none there, or dead already
                    os.kill(chance.choice(run.pool.workers)["pid"], signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        parts = list(run.explain())
        is_over.set()
        thread.join()
        assert run.pool.n_deaths >= 1
        assert sum(part.n for part in parts) == N
        assert (run.done.n, run.n_failed) == (N, 2)
    assert timeless(rows_of(folder / "killed")) == here
    assert not list((folder / "killed").rglob("*.tmp"))
    for row in here:
        if row["folder"]:
            one, other = (folder / name / row["folder"] / "heatmap.npy" for name in ("killed", "here"))
            assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_on_the_command_line_a_killed_driver_is_resumed(folder, here, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    arguments = ["explain", "photos", "-m", "model.onnx", "--device", "cpu", "--partitions", "2", "--files"]
    arguments += ["--engine", "ray", "--out", "driver", "--resume"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dccausal", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 120
    while not parts_of(folder / "driver") and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    process.kill()
    process.wait()
    n_before = len(parts_of(folder / "driver"))
    assert n_before
    assert main(arguments) == 2  # two photographs are damaged
    said = capsys.readouterr()
    assert f"38 of {N} photographs explained (38 minimal)" in said.out
    assert "resumed: " in said.err
    assert timeless(rows_of(folder / "driver")) == here
    assert pq.read_table(folder / "driver" / "results").num_rows == N  # as others read it
    assert main(arguments) == 2
    capsys.readouterr()
    assert main([*arguments, "--json", "--table", "rows.csv"]) == 2
    assert timeless(map(json.loads, capsys.readouterr().out.splitlines())) == here
    table = csv.DictReader(Path("rows.csv").read_text().splitlines())
    assert [row["path"] for row in table] == [row["path"] for row in here]
    assert main(["report", "driver"]) == 0
    assert "38 photographs, 2 failed" in capsys.readouterr().out
    assert main([*arguments, "--partitions", "3"]) == 2
    assert "was begun otherwise: --partitions was 2 and is 3" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_photographs_in_parquet_and_in_a_data_set(folder, here, monkeypatch):
    monkeypatch.chdir(folder)
    paths = [row["path"] for row in here]
    contents = [Path(path).read_bytes() for path in paths]
    (folder / "parquet").mkdir(exist_ok=True)
    for i in range(0, N, 20):  # as data sets of Hugging Face have it, too
        image = pa.array([{"bytes": one, "path": "x"} for one in contents[i : i + 20]])
        table = pa.table({"other": list(range(20)), "path": paths[i : i + 20], "image": image})
        pq.write_table(table, folder / "parquet" / f"{i:02d}.parquet", row_group_size=7)
    classifier = OnnxClassifier(folder / "model.onnx", device="cpu")
    parts = list(explain_dataset("parquet", classifier, "from-parquet", **FAST))
    assert sum(part.n for part in parts) == N
    import ray.data

    data = ray.data.from_arrow(pa.table({"path": paths, "bytes": contents}))
    list(explain_dataset(data, classifier, "from-data", **FAST))
    for name in ("from-parquet", "from-data"):
        found = timeless(rows_of(folder / name))
        assert [row["heatmap_sha256"] for row in found] == [row["heatmap_sha256"] for row in here]
        assert [row["path"] for row in found] == paths
    with pytest.raises(InputError, match="a run with --files is needed for a report"):
        read_source(folder / "from-data")
    with pytest.raises(InputError, match=r"a column of paths .* or of image bytes"):
        list(explain_dataset(ray.data.from_items([{"a": 1}]), classifier, "nothing", **FAST))


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_what_workers_cannot_open_is_said_before_any_work(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    shutil.copy(folder / "model.onnx", tmp_path / "gone.onnx")
    classifier = OnnxClassifier(tmp_path / "gone.onnx", device="cpu")
    (tmp_path / "gone.onnx").unlink()
    with pytest.raises(ModelError, match=r"a worker cannot open the model: .* all machines see is needed"):
        list(explain_dataset("photos", classifier, tmp_path / "run", **FAST))
    assert parts_of(tmp_path / "run") == []
    with pytest.raises(OptionError, match="the cluster has 2 CPUs and 0 GPUs; room for one actor"):
        list(explain_dataset("photos", folder / "model.onnx", tmp_path / "a", actor_cpus=3, **FAST))


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("n", [2, 3])
def test_a_photograph_that_kills_every_worker_is_a_row(n, folder, tmp_path, monkeypatch):
    """What brings a worker down, as too large a photograph may, brings down neither the run nor its neighbours."""
    monkeypatch.chdir(folder)

    class Deadly:
        """A classifier that ends its process where it sees one colour."""

        n_classes = 2

        def __call__(self, images):
            if (images[:, 0, 0] == (1, 2, 3)).all(axis=1).any():
                os._exit(1)
            return (images[:, 8:16, 8:16, 0].mean(axis=(1, 2)) > 200).astype(int)

    (tmp_path / "few").mkdir()
    for name in ("p00", "p01", "p02")[:n]:
        shutil.copy(folder / "photos" / f"{name}.png", tmp_path / "few")
    Image.new("RGB", (64, 64), (1, 2, 3)).save(tmp_path / "few" / "p01.png")
    parts = list(explain_dataset(str(tmp_path / "few"), Deadly(), tmp_path / "run", actors=1, **FAST))
    assert sum(part.n for part in parts) == n
    rows = sorted(rows_of(tmp_path / "run"), key=lambda row: row["index"])
    assert [row["error"] for row in rows] == [None, "InputError", None][:n]
    assert "workers died over it" in rows[1]["message"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--engine", "spark"), "--engine is 'spark'; one of local, ray is needed"),
        (("--actors", "2"), "--actors is 2, which is for a run on a cluster"),
        (("--address", "auto"), "--address is 'auto', which is for a run on a cluster"),
        (("--engine", "ray", "--actors", "0"), "--actors is 0; at least 1 is needed"),
        (("--engine", "ray", "--retry"), "--resume is needed with it"),
        (
            ("--engine", "ray", "--table", "rows.txt"),
            "--table is 'rows.txt'; a file that ends in .parquet or .csv",
        ),
        (("--engine", "ray", "--address", "nowhere"), "--address is 'nowhere'; auto, or HOST:PORT"),
        (("--engine", "ray", "--address", "127.0.0.1:1"), "address 127.0.0.1:1 does not answer"),
        (("--engine", "ray", "--out", "model.onnx/run"), "cannot be written"),
    ],
)
def test_bad_input_is_one_line_before_any_work(folder, monkeypatch, capsys, arguments, text):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert main(["explain", "photos", "-m", "model.onnx", "--out", "bad", *arguments]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1
    assert not (folder / "bad").exists()


def test_without_ray_or_with_an_old_one_it_says_how_to_install_it(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    arguments = ["explain", "photos", "-m", "model.onnx", "--out", "bad", "--engine", "ray"]
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(arguments) == 2
    assert (
        'Ray is not installed; a run on a cluster needs it: pip install "dccausal[ray]"'
        in capsys.readouterr().err
    )
    monkeypatch.setitem(sys.modules, "ray", type("ray", (), {"__version__": "2.9.3"}))
    assert main(arguments) == 2
    assert "Ray 2.9.3 is installed; 2.40 or later is needed" in capsys.readouterr().err
    assert not (folder / "bad").exists()


def test_a_run_of_one_machine_is_not_continued_on_ray(folder, here, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert here
    assert (
        main(["explain", "photos", "-m", "model.onnx", "--engine", "ray", "--out", "here", "--resume"]) == 2
    )
    assert "holds a run of one machine" in capsys.readouterr().err
    assert json.loads((folder / "here" / "manifest.json").read_text())["images"]
    assert callable(start_ray)


def test_a_key_in_an_address_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"s3://\.\.\.@\.\.\. has a key in it, .* AWS_ACCESS_KEY_ID"):
        source_of(["s3://name:secret@bucket/photos"], tmp_path, recursive=False, files=False)
    assert not list(tmp_path.iterdir())


def test_addresses_in_a_store_are_those_of_its_photographs(folder, tmp_path):
    source = source_of([f"file://{folder}/photos/"], tmp_path, recursive=False, files=False)
    paths = pq.read_table(tmp_path / LISTING).column("path").to_pylist()
    assert paths == [f"file://{folder}/photos/p{i:02d}.png" for i in range(N)]
    assert source.n == N
