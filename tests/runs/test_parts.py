"""The table in parts, and the worker that writes them: the same rows as one process, whoever dies in between."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from dccausal import OnnxClassifier
from dccausal.engine.many import explain_many
from dccausal.engine.options import defaults
from dccausal.errors import DeviceError, InputError, OutputError
from dccausal.runs.folder import DRAWING, run_folder
from dccausal.runs.images import Namer, collect, plan_folders
from dccausal.runs.parts import Done, part_path, parts_of, rows_of, settle, take_over, write_part
from dccausal.runs.ray import check_run_on_ray
from dccausal.runs.ray_source import Listing, source_of
from dccausal.runs.table import row_of
from dccausal.runs.worker import Chunk, Settings, Worker, death_of

TIMES = ("seconds", "model_seconds")
FAST = {"partitions": 2, "threads": 1}


def timeless(rows):
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def failed(index):
    return row_of(index, f"p{index}.png", "", InputError(f"no {index}"))


@pytest.fixture(scope="module")
def scene(planted):
    return planted("needs_a_and_b")


@pytest.fixture
def photos(tmp_path, scene):
    (tmp_path / "photos").mkdir()
    with Image.open(scene.photo) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rng = np.random.default_rng(0)
    for i in range(7):
        noisy = np.clip(pixels + rng.integers(-3, 4, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(tmp_path / "photos" / f"p{i}.png")
    (tmp_path / "photos" / "p3.png").write_bytes(b"no image")
    return sorted(map(str, (tmp_path / "photos").iterdir()))


@pytest.fixture
def opened(tmp_path, scene, monkeypatch):
    """A function that opens a worker; all are closed at the end."""
    monkeypatch.chdir(tmp_path)  # as workers do, and back at the end
    made = []

    def open_worker(out="run", classifier=None, drawing=DRAWING):
        worker = Worker()
        folder = tmp_path / out
        take_over(folder, "a")
        classifier = classifier or OnnxClassifier(scene.path, device="cpu", threads=1, many=True)
        options = {**defaults(), **FAST, "on_interrupt": "raise"}
        worker.open(Settings(str(folder), "a", lambda: classifier, options, drawing, str(tmp_path)))
        made.append(worker)
        return worker

    yield open_worker
    for worker in made:
        worker.close()


def chunks_of(paths, *sizes):
    folders = [f"images/{path.name}" for path in plan_folders(paths, Path())]
    at = 0
    for size in sizes:
        yield Chunk(range(at, at + size), paths[at : at + size], folders[at : at + size])
        at += size


def test_the_rows_are_those_of_a_run_on_one_machine(photos, opened, tmp_path, scene):
    worker = opened()
    with ThreadPoolExecutor(2) as pool:  # two chunks at once, as on Ray
        parts = list(pool.map(worker.explain, chunks_of(photos, 2, 3, 2)))
    assert [(part.n, part.n_failed) for part in parts] == [(2, 0), (3, 1), (2, 0)]
    assert parts[1].failed == [(photos[3], "ImageError", rows_by_index(tmp_path / "run")[3]["message"])]
    classifier = OnnxClassifier(scene.path, device="cpu", threads=1, many=True)
    here = [row for row, _ in run_folder(photos, classifier, tmp_path / "here", **FAST)]
    here.sort(key=lambda row: row["index"])
    assert timeless(rows_of(tmp_path / "run")) == timeless(here)
    for row in here:
        if row["folder"]:
            for name in ("heatmap.npy", "overlay.png", "kept.png"):
                one, other = (tmp_path / run / row["folder"] / name for run in ("run", "here"))
                assert one.read_bytes() == other.read_bytes()


def rows_by_index(out):
    return {row["index"]: row for row in rows_of(out)}


def test_a_part_that_is_there_is_not_made_again_after_a_death(photos, opened, tmp_path):
    chunk = next(chunks_of(photos, 2))
    first = opened().explain(chunk)
    before = parts_of(tmp_path / "run")[0].stat().st_mtime_ns
    again = opened().explain(chunk._replace(attempts=1))
    assert again == first
    assert parts_of(tmp_path / "run")[0].stat().st_mtime_ns == before


def test_photographs_from_a_block_are_told_by_their_path(photos, opened, tmp_path):
    contents = [Path(path).read_bytes() for path in photos]
    block = pa.table({"path": photos, "image": pa.array(contents, pa.binary())})
    worker = opened(drawing=None)
    worker.explain(Chunk([10, 12], None, None, [0, 3]), block)
    by_paths = opened("other", drawing=None)
    by_paths.explain(Chunk([10, 12], [photos[0], photos[3]], None))
    one, other = (timeless(rows_of(tmp_path / name)) for name in ("run", "other"))
    assert one[0] == other[0]
    assert (one[1]["path"], one[1]["error"]) == (photos[3], "ImageError")
    assert one[0]["folder"] is None
    assert not (tmp_path / "run" / "images").exists()


def test_addresses_are_read_where_they_are_and_a_missing_one_is_a_row(photos, opened, tmp_path):
    worker = opened(drawing=None)
    part = worker.explain(Chunk([0, 1], [f"file://{photos[0]}", f"file://{tmp_path}/no.png"], None))
    assert (part.n, part.n_failed) == (2, 1)
    assert "no.png cannot be read" in rows_by_index(tmp_path / "run")[1]["message"]


def test_what_is_no_photographs_fault_ends_all_chunks(photos, opened):
    class Broken:
        n_classes = 2

        def __call__(self, _):
            raise DeviceError("the device is gone; another is needed")

    worker = opened(classifier=Broken())
    with ThreadPoolExecutor(2) as pool:
        for asked in [pool.submit(worker.explain, chunk) for chunk in chunks_of(photos, 3, 3)]:
            with pytest.raises(DeviceError, match="device is gone"):
                asked.result(30)


def test_a_run_that_another_process_took_over_is_written_to_no_more(photos, opened, tmp_path):
    worker = opened()
    take_over(tmp_path / "run", "b")
    with pytest.raises(OutputError, match="taken over by another process"):
        worker.explain(next(chunks_of(photos, 1)))
    assert parts_of(tmp_path / "run") == []
    settings = Settings(str(tmp_path / "else"), "a", lambda: None, {}, None, str(tmp_path))
    with pytest.raises(OutputError, match="not the folder of the run for a worker"):
        Worker().open(settings)


def test_each_photograph_stays_in_one_part(tmp_path):
    write_part(tmp_path, [failed(0), failed(1), failed(2)])
    write_part(tmp_path, [failed(2), failed(3)])
    write_part(tmp_path, [failed(100_000)])
    (part_path(tmp_path, 0).parent / ".part-000000000007.parquet.0123456789ab.tmp").touch()
    done = settle(tmp_path)
    assert done.n == 5
    assert [row["index"] for row in rows_of(tmp_path)] == [0, 1, 2, 3, 100_000]
    assert [path.name for path in parts_of(tmp_path)] == [
        *("part-000000000000.parquet", "part-000000000003.parquet", "part-000000100000.parquet"),
    ]
    assert not list(tmp_path.rglob("*.tmp"))
    assert settle(tmp_path, retry=True).n == 0
    assert parts_of(tmp_path) == []


def test_parts_that_overlap_one_after_the_other_lose_nothing(tmp_path):
    for first in (0, 1, 2):
        write_part(tmp_path, [failed(first), failed(first + 1)])
    counted = []
    done = settle(tmp_path, count=lambda row: counted.append(row["index"]))
    assert done.n == 4
    assert counted == [0, 1, 2, 3]
    assert sorted(row["index"] for row in rows_of(tmp_path)) == [0, 1, 2, 3]


def test_parts_of_another_run_are_not_taken_for_done(tmp_path):
    write_part(tmp_path, [failed(0)])
    given = {"resume": True, "retry": False, "drawing": DRAWING, "options": defaults()}
    with pytest.raises(InputError, match=r"results is there without manifest\.json; another --out is needed"):
        check_run_on_ray(tmp_path, **given)


def test_done_is_a_set_of_indices():
    done = Done()
    wanted = {5, 0, 1_000_000}
    for index in (5, 0, 1_000_000, 5):
        done.add(index)
    assert done.n == len(wanted)
    assert [i for i in (0, 1, 5, 6, 1_000_000, 9_000_000) if i in done] == [0, 5, 1_000_000]


def test_a_listing_is_kept_and_leaves_out_what_is_done(photos, tmp_path):
    folder = tmp_path / "photos"
    listing = Listing.of(tmp_path / "run", [str(folder)], recursive=False, files=True)
    done = Done()
    done.add(0)
    done.add(4)
    found = [chunk for chunk, _ in listing.chunks(done, lambda left: 2 if left > 3 else 1)]
    assert [list(chunk.indices) for chunk in found] == [[1, 2], [3], [5], [6]]
    assert found[0].paths == photos[1:3]
    assert found[0].folders == ["images/p1", "images/p2"]
    (folder / "a.png").touch()
    assert Listing.of(tmp_path / "run", [str(folder)], recursive=False, files=True).n == 7


def test_a_listing_of_a_run_that_never_began_is_made_anew(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").touch()
    source_of(str(tmp_path / "a.png"), tmp_path / "run", recursive=False, files=False)
    source = source_of(str(tmp_path / "b.png"), tmp_path / "run", recursive=False, files=False)
    ((chunk, _),) = source.chunks(Done(), lambda _: 9)
    assert chunk.paths == [str(tmp_path / "b.png")]


def test_a_listing_of_addresses(photos, tmp_path):
    folder = f"file://{tmp_path}/photos"
    listing = Listing.of(tmp_path / "run", [folder], recursive=False, files=False)
    ((chunk, _),) = listing.chunks(Done(), lambda _: 99)
    assert chunk.paths == [f"file://{path}" for path in photos]
    with pytest.raises(InputError, match="cannot be read"):
        Listing.of(tmp_path / "two", [f"file://{tmp_path}/none"], recursive=False, files=False)


def test_photographs_that_are_still_to_come_do_not_hold_up_those_that_are_there(scene):
    """The engine asks whether the next one is ready, and waits for it only when it has nothing else to do."""
    waiting = queue.Queue()

    class Feed:
        def is_ready(self):
            return not waiting.empty()

        def __iter__(self):
            return self

        def __next__(self):
            photo = waiting.get(timeout=30)
            if photo is None:
                waiting.put(None)  # an iterator that is at its end stays there
                raise StopIteration
            return photo

    waiting.put(str(scene.photo))
    classifier = OnnxClassifier(scene.path, device="cpu", threads=1)
    results = explain_many(Feed(), classifier, **FAST)
    found = []
    first = threading.Event()

    def explain_all():
        for place, result in results:
            found.append((place, result.outcome))
            first.set()

    thread = threading.Thread(target=explain_all)
    thread.start()
    assert first.wait(20)  # though the second is not there yet
    waiting.put(str(scene.photo))
    waiting.put(None)
    thread.join(30)
    assert found == [(0, "minimal"), (1, "minimal")]


def test_photographs_over_which_workers_die_are_rows_with_an_error():
    rows = death_of(Chunk([3, 4], ["a", "b"], None, None, 6), None)
    assert [(row["index"], row["path"], row["error"]) for row in rows] == [
        (3, "a", "InputError"),
        (4, "b", "InputError"),
    ]
    assert "6 workers died over it" in rows[0]["message"]


def test_names_are_those_of_a_run(tmp_path):
    paths = ["a/x.png", "b/X.jpg", "..", "x.png"]
    name = Namer()
    assert [name(path) for path in paths] == ["x", "X-2", "photo", "x-3"]
    assert [folder.name for folder in plan_folders(paths, tmp_path)] == ["x", "X-2", "photo", "x-3"]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").touch()
    assert collect([f"{tmp_path}/a", f"{tmp_path}/a/*.png"], tmp_path / "out", recursive=False) == [
        f"{tmp_path}/a/x.png"
    ]
