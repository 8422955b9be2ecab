"""What explanations cost on the CPU, against ONNX Runtime alone on the same machine in the same run.

Run ``python bench/cpu.py [--only SECTION ...] [--model FILE] [--out FOLDER]``, under ten minutes in all. Sections:

- one: one image at a time, wall time over that of ONNX Runtime alone for as many images;
- folder: many photographs, by ``explain_many`` and by ``dccausal explain FOLDER``, as a share of the ceiling;
- models: models of three kinds with random weights, images of 224, 384 and 1024, searches cut short;
- memory: peak of the process above its peak after the session has run, for several N and numbers of images;
- host: time a question outside the model and besides drawing, where the model costs nothing;
- growth: the core alone, for N = 1 to 500 partitions and images up to 2048 x 2048;
- start: importing and asking for help.

The ceiling is ONNX Runtime alone at its best of: all cores in one run, or a run for each core; and of several batch
sizes. It is measured in short blocks in turns, before and after what is compared with it. A ratio means something only
on a machine that does nothing else: "others" says how many cores other processes kept busy meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import dccausal
from dccausal import _core
from dccausal._shared.cores import count_cores
from dccausal.assets.default_model import default_model
from dccausal.assets.photo import demo_photo
from dccausal.engine.masking.host import HostBatch

sys.path[:0] = [str(Path(__file__).parent)]
from recording import RECORDS, Others, peak_mib, shown, write_record  # noqa: E402
from threads import Arrangement  # noqa: E402

BATCHES = (1, 2, 4, 8)
# Slower models are left out of a size: an image takes longer than this on all cores.
TOO_SLOW_S = 0.4

Row = dict[str, Any]


class Ceiling:
    """ONNX Runtime alone, in the arrangement and with the batch size that are fastest for a model."""

    def __init__(self, model: str, size: tuple[int, int], n_images: int = 48, repeats: int = 5) -> None:
        cores = count_cores()
        found = [Arrangement(model, cores, 1, spins=True, size=size)]
        if cores > 1:
            found.append(Arrangement(model, 1, cores, spins=False, size=size))
        seconds = min(one.stream(1, 1) for one in found for _ in range(2))
        self.is_slow = seconds > TOO_SLOW_S
        n = max(1, min(n_images, int(1.0 / seconds)))
        batches = [b for b in BATCHES if b * seconds < 1] or [1]
        self.blocks: dict[tuple[int, int], list[float]] = {}
        for _ in range(2 if self.is_slow else repeats):
            for i, one in enumerate(found):
                for batch in batches:
                    self.blocks.setdefault((i, batch), []).append(one.stream(n, batch))
        self.medians = {key: statistics.median(values) for key, values in self.blocks.items()}
        best = min(self.medians, key=self.medians.__getitem__)
        self._best, self._batch = found[best[0]], best[1]
        self.names = {i: one.name for i, one in enumerate(found)}
        self.setting = f"{self._best.name}, batch {self._batch}"

    def seconds(self, n_images: int) -> float:
        """Return seconds an image now."""
        return self._best.stream(max(self._batch, n_images), self._batch)


def against(
    ceiling: Ceiling, n_images: int, work: Callable[[], list[dccausal.Explanation]], repeats: int = 1
) -> Iterator[Row]:
    """Measure work against the ceiling just before and just after it."""
    for _ in range(repeats):
        others = Others()
        before = ceiling.seconds(n_images)
        start = time.perf_counter()
        found = work()
        wall = time.perf_counter() - start
        seconds = (before + ceiling.seconds(n_images)) / 2
        calls = sum(one.statistics["model_calls"] for one in found)
        busy = sum(one.statistics["model_seconds"] for one in found)
        yield {
            "ms": wall / len(found) * 1e3,
            "model_calls": calls,
            "explanations_a_minute": 60 * len(found) / wall,
            "ceiling": ceiling.setting,
            "ceiling_ms": seconds * 1e3,
            "ratio_to_ceiling": wall / (calls * seconds),
            "share_of_ceiling": calls * seconds / wall,
            "outside_model": 1 - busy / wall,
            "others": others.cores(),
        }


def measure_one(options: argparse.Namespace, ceiling: Ceiling) -> Iterator[Row]:
    for (i, batch), values in ceiling.blocks.items():
        yield {
            "what": "onnxruntime alone",
            "setting": f"{ceiling.names[i]}, batch {batch}",
            "ms": statistics.median(values) * 1e3,
            "ms_low": min(values) * 1e3,
            "ms_high": max(values) * 1e3,
        }
    classifier = dccausal.OnnxClassifier(options.model)
    dccausal.explain(demo_photo(), classifier, max_calls=60)
    for profile in ("default", "paper"):
        ratios = []
        for seed in range(options.repeats):
            work = lambda: [dccausal.explain(demo_photo(), classifier, profile=profile, seed=seed)]  # noqa: B023, E731
            for row in against(ceiling, 200, work):
                ratios.append(row["ratio_to_ceiling"])
                setting = f"seed {seed}, batch {classifier.batch_size} x {classifier.runs_at_once}"
                yield {"what": f"one image, profile {profile}", "setting": setting, **row}
        print(f"{profile}: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


def photographs(n: int) -> list[Image.Image]:
    """Different photographs of several sizes: parts of the packaged one, turned over and enlarged."""
    photo = demo_photo()
    width, height = photo.size
    made = []
    for i in range(n):
        margin = 4 * (i % 5)
        box = (margin, margin // 2, width - 2 * margin, height - margin)
        part = photo.crop(box).resize((int(width * (1 + 0.2 * (i % 4))), int(height * (1 + 0.2 * (i % 4)))))
        made.append(part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if i % 2 else part)
    return made


def measure_folder(options: argparse.Namespace, ceiling: Ceiling) -> Iterator[Row]:
    from dccausal.cli.app import main as command
    from dccausal.engine import many

    classifier = dccausal.OnnxClassifier(options.model, many=True)
    dccausal.explain(demo_photo(), classifier, max_calls=60)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "photographs")
        folder.mkdir()
        for i, photo in enumerate(photographs(options.images)):
            photo.save(folder / f"{i:03}.jpg", quality=90)
        paths = sorted(folder.iterdir())

        def by_function() -> list[dccausal.Explanation]:
            return [one for _, one in dccausal.explain_many(paths, classifier, on_error="raise")]

        for row in against(ceiling, 200, by_function, max(1, options.repeats // 3)):
            yield {"what": "folder, explain_many", "setting": f"{len(paths)} photographs", **row}

        n_runs = 0

        def by_command() -> list[dccausal.Explanation]:
            nonlocal n_runs
            n_runs += 1
            kept: list[dccausal.Explanation] = []
            explain_many = many.explain_many

            def keep(*arguments: Any, **settings: Any) -> Iterator[tuple[int, Any]]:
                for index, one in explain_many(*arguments, **settings):
                    kept.append(one)
                    yield index, one

            from dccausal.runs import folder as runs_folder

            runs_folder.explain_many = keep  # type: ignore[assignment]
            out = str(Path(temporary, f"run{n_runs}"))
            with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
                code = command(["explain", str(folder), "--model", options.model, "--out", out])
            runs_folder.explain_many = explain_many
            if code:
                raise SystemExit(f"dccausal explain ended with {code}")
            return kept

        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            # What is imported, and the calibration.
            warm = ["explain", str(paths[0]), "--model", options.model, "--max-calls", "40"]
            command([*warm, "--out", str(Path(temporary, "warm"))])
        for row in against(ceiling, 200, by_command, max(1, options.repeats // 3)):
            yield {"what": "folder, dccausal explain", "setting": f"{len(paths)} photographs", **row}


def measure_models(options: argparse.Namespace) -> Iterator[Row]:
    import models as speed_models

    with tempfile.TemporaryDirectory() as temporary:
        for kind in options.kind:
            for size in options.size:
                path = speed_models.write(Path(temporary), kind, size)
                ceiling = Ceiling(str(path), (size, size), n_images=8, repeats=2)
                what = {"model": path.name, "what": "models, one image cut short"}
                if ceiling.is_slow:
                    seconds = min(ceiling.medians.values())
                    yield {**what, "setting": "left out: too slow", "ceiling_ms": seconds * 1e3}
                else:
                    classifier = dccausal.OnnxClassifier(path, preprocess="unit")
                    n = int(max(40, min(600, options.seconds / ceiling.seconds(8))))
                    work = lambda: [dccausal.explain(demo_photo(), classifier, max_calls=n)]  # noqa: B023, E731
                    for row in against(ceiling, n // 4, work):
                        yield {**what, "setting": f"max_calls {n}, batch {classifier.batch_size}", **row}
                path.unlink()


def memory(model: str, partitions: int, n_images: int) -> None:
    """In a process of its own, since peaks never go down: print what the search adds to the session."""
    classifier = dccausal.OnnxClassifier(model)
    photo = demo_photo()
    x, _ = classifier.prepare(photo)
    most = classifier.batch_size * classifier.runs_at_once
    tensor = np.repeat(classifier.encode(x[None]), most, axis=0)
    # ONNX Runtime's arena grows with every new shape, and once more when it has planned it: that is the session's.
    for rows in (*range(most, 0, -1), *range(most, 0, -1)) * 3:
        classifier.run(tensor[:rows])
    del tensor
    dccausal.explain(photo, classifier, partitions=1, max_calls=40)
    loaded = peak_mib()
    settings = {"partitions": partitions, "max_calls": 60 if n_images > 1 else None}
    for _ in dccausal.explain_many((photo for _ in range(n_images)), classifier, **settings):
        pass
    print(peak_mib() - loaded)


def measure_memory(options: argparse.Namespace) -> Iterator[Row]:
    for partitions, n_images in ((1, 1), (10, 1), (100, 1), (200, 1), (20, 10), (20, 100)):
        command = [sys.executable, __file__, "--model", options.model]
        command += ["--memory", str(partitions), str(n_images)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        setting = f"N = {partitions}, {n_images} images"
        yield {"what": "memory above the session", "setting": setting, "MiB": float(run.stdout)}


def measure_host(options: argparse.Namespace) -> Iterator[Row]:
    """The whole loop with a model whose answers are ready: what is left is asking, judging and drawing."""
    photo = np.asarray(demo_photo().resize((224, 224)))
    grey = np.array((124, 116, 104), np.uint8)
    spent = {"classifier": 0.0, "drawing": 0.0}

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                spent[name] += time.perf_counter() - start

        return call

    def spots(images: np.ndarray) -> np.ndarray:
        scores = np.full((len(images), 1000), 0.1, np.float32)
        scores[:, 1] = (images[:, 100, 90] != grey).any(1) & (images[:, 180, 40] != grey).any(1)
        return scores

    mask = HostBatch.mask
    HostBatch.mask = timed("masking", mask)  # type: ignore[method-assign]
    try:
        for profile in ("default", "paper"):
            for batch in (4, 8, 32):
                times = []
                for _ in range(5 * options.repeats):
                    spent.update(classifier=0.0, masking=0.0)
                    start = time.perf_counter()
                    settings = {
                        "profile": profile,
                        "batch_size": batch,
                        "threads": 1,
                        "baseline": (124, 116, 104),
                    }
                    found = dccausal.explain(photo, timed("classifier", spots), **settings)
                    calls = found.statistics["model_calls"]
                    times.append((time.perf_counter() - start - sum(spent.values())) / calls * 1e6)
                yield {
                    "what": "host work a question, besides drawing and the model",
                    "setting": f"profile {profile}, batch {batch}",
                    "model_calls": calls,
                    "us_per_question": min(times),
                    "us_median": statistics.median(times),
                    "us_drawing": spent["masking"] / calls * 1e6,
                }
    finally:
        HostBatch.mask = mask  # type: ignore[method-assign]


def search_alone(side: int, partitions: int, world: str) -> tuple[float, int]:
    """Seconds in the core, and questions; the verdicts come from two spots."""
    start = time.perf_counter()
    search = _core.Search(
        _core.Evidence(side, side), partitions=partitions, seed=0, world=world, weighting="shares", min_side=0.1,
        refine_equal=False, concentration=1, wave=partitions,
    )  # fmt: skip
    spots = [(int(0.45 * side), int(0.40 * side)), (int(0.80 * side), int(0.18 * side))]
    inside = 0.0
    while (batch := search.propose(64)) is not None:
        mark = time.perf_counter()
        corners = batch.rectangles()
        passing = np.ones(len(batch), dtype=bool)
        for row, column in spots:
            down = (corners[..., 0] <= row) & (corners[..., 2] > row)
            across = (corners[..., 1] <= column) & (corners[..., 3] > column)
            passing &= ~(down & across).any(axis=1)
        scores = np.zeros(len(batch), np.float32)
        inside += time.perf_counter() - mark
        search.submit(batch.id, passing, scores)
    search.heatmap()
    return time.perf_counter() - start - inside, search.n_calls


def measure_growth(options: argparse.Namespace) -> Iterator[Row]:
    steps = [(224, n) for n in (1, 10, 50, 100, 200, 500)] + [(side, 50) for side in (512, 1024, 2048)]
    for world in ("intact", "contingency"):
        for side, partitions in [*steps, (2048, 500)]:
            found = [search_alone(side, partitions, world) for _ in range(options.repeats)]
            seconds, calls = min(found)
            yield {
                "what": "core alone",
                "setting": f"{world}, {side} x {side}, N = {partitions}",
                "ms": seconds * 1e3,
                "ms_high": max(found)[0] * 1e3,
                "model_calls": calls,
                "us_per_question": seconds / calls * 1e6,
                "ns_per_pixel": seconds / side**2 * 1e9,
            }


def measure_start(options: argparse.Namespace) -> Iterator[Row]:
    names = "from dccausal import explain, OnnxClassifier"
    commands = {
        "python, nothing": [sys.executable, "-c", "pass"],
        "import numpy": [sys.executable, "-c", "import numpy"],
        "import numpy, dccausal": [sys.executable, "-c", "import numpy, dccausal"],
        "import numpy, and the names that explain": [sys.executable, "-c", f"import numpy; {names}"],
        "dccausal --help": [sys.executable, "-m", "dccausal", "--help"],
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(2 + 3 * options.repeats):
        for name, command in commands.items():
            before, start = os.times(), time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            wall, after = time.perf_counter() - start, os.times()
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            times[name].append((wall, cpu))
    for name, pairs in times.items():
        walls, cpus = zip(*pairs[2:], strict=True)
        yield {
            "what": "start-up",
            "setting": name,
            "ms": statistics.median(walls) * 1e3,
            "ms_low": min(walls) * 1e3,
            "cpu_ms": statistics.median(cpus) * 1e3,
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections = ("one", "folder", "models", "memory", "host", "growth", "start")
    parser.add_argument("--only", nargs="+", choices=sections, default=list(sections))
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=RECORDS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--images", type=int, default=12, help="photographs of the folder")
    parser.add_argument("--kind", nargs="+", default=["small", "resnet50", "vit_b"])
    parser.add_argument("--size", nargs="+", type=int, default=[224, 384, 1024])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each search that is cut short")
    parser.add_argument("--memory", nargs=2, type=int, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.model = options.model or str(default_model())
    if options.memory is not None:
        memory(options.model, *options.memory)
        return
    with tempfile.TemporaryDirectory() as cache:
        os.environ["DCCAUSAL_CACHE"] = cache  # batch sizes are found out anew, under these conditions
        run(options, sections)


def run(options: argparse.Namespace, sections: tuple[str, ...]) -> None:
    rows: list[Row] = []
    ceiling = None
    if {"one", "folder"} & set(options.only):
        ceiling = Ceiling(options.model, dccausal.OnnxClassifier(options.model).size)
    for section in options.only:
        started = time.perf_counter()
        measure = globals()[f"measure_{section}"]
        for row in measure(options, ceiling) if section in ("one", "folder") else measure(options):
            rows.append({"model": Path(options.model).name, **row})
            print(shown(rows[-1]), flush=True)
        print(f"-- {section}: {time.perf_counter() - started:.0f} s", flush=True)
    name = "cpu" if set(options.only) == set(sections) else f"cpu-{'-'.join(options.only)}"
    write_record(name, rows, options.out)


if __name__ == "__main__":
    main()
