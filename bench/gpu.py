"""What an explanation costs on CUDA, against ONNX Runtime alone on the same device in the same run.

Run ``python bench/gpu.py [--models FOLDER] [--kind ...] [--size ...] [--dtype ...] [--out FOLDER]``. In this order:

1. checks: CUDA and cuDNN load; the small graphs run on the device alone; what they draw and read is what the host
   draws and reads; planted classifiers are explained to the same bytes as on the CPU;
2. calibration: images a second of the model alone, its input on the device already, over batch sizes: the ceiling;
3. a table, printed and appended to a record as CSV with machine and versions: one image and many images, explanations
   a minute, share of the ceiling, share of the time in which no model runs, bytes sent and received per question,
   memory of the device and of the host; and one image with ``reproducible=True``.

Models are those of ``bench/models.py``, written to FOLDER (a temporary one by default), or ``--model FILE``.
``--device cpu`` goes through the same steps on the CPU provider, to try the script where there is no CUDA; its record
says so in its name and in each line.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import dccausal
from dccausal import _core
from dccausal.assets.photo import demo_photo
from dccausal.onnx.running.composing import ComposedBatch
from dccausal.onnx.running.runner import BoundEngine

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "models")]
import models as speed_models  # noqa: E402
from recording import RECORDS, shown, write_record  # noqa: E402

from make_planted import plant, write  # noqa: E402

BATCHES = (1, 8, 16, 32, 64, 128, 256)
PLANTED = (
    "needs_a_and_b",
    "nhwc",
    "float16",
    "uint8",
    "uint8_nhwc",
    "fixed_batch_4",
    "multi_label",
    "classes_1001",
)


def load(model: Path | str, options: argparse.Namespace, **more: object) -> dccausal.OnnxClassifier:
    classifier = dccausal.OnnxClassifier(model, device=options.device, **more)
    if options.device == "cpu":
        classifier.runner.bound_device = ("cpu", 0)
    return classifier


def composer_of(classifier: dccausal.OnnxClassifier) -> object:
    composer = classifier.composer
    if composer is None:
        raise SystemExit(f"the device does not mask as the host does for {classifier}; see the log")
    return composer


def check(options: argparse.Namespace, folder: Path) -> None:
    """Everything that has to hold before a number means anything."""
    for name in PLANTED:
        written = write(plant(name), folder)
        settings = {"profile": "paper", "partitions": 8, "grid": 8}
        host = dccausal.OnnxClassifier(written.path, device="cpu")
        device = load(written.path, options)
        check_placement(composer_of(device), options)
        expected = dccausal.explain(written.image, host, **settings)
        alone = dccausal.explain(written.image, device, **settings)
        together = [found for _, found in dccausal.explain_many([written.image] * 3, device, **settings)]
        for found in (alone, *together):
            is_same = found.heatmap.tobytes() == expected.heatmap.tobytes()
            if not is_same or found.kept.tobytes() != expected.kept.tobytes():
                raise SystemExit(f"check failed: {name} is explained otherwise on {options.device}")
    print(f"checks passed: {len(PLANTED)} planted classifiers, drawn, read and explained as on the CPU")


def check_placement(composer: object, options: argparse.Namespace) -> None:
    """No operation of the small graphs may run on the CPU, where the device is another."""
    import onnxruntime as ort

    from dccausal.onnx.graph.compose import compose_graph, head_graph

    if options.device == "cpu":
        return
    place = composer.runner.opened.device  # type: ignore[attr-defined]
    for graph in (
        compose_graph((3, 224, 224), "NCHW", "float32"),
        head_graph("float32", 2, 1000, "softmax", is_binary=False),
    ):
        settings = ort.SessionOptions()
        settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        session = ort.InferenceSession(graph, settings, providers=list(place.providers))
        assigned = {part.ep_name for part in session.get_provider_graph_assignment_info()}
        if not assigned <= {"CUDAExecutionProvider"}:
            raise SystemExit(f"check failed: parts of the small graphs run on {sorted(assigned)}")


def seconds_per_image(classifier: dccausal.OnnxClassifier, rows: int, seconds: float) -> tuple[float, float]:
    """Median and best of blocks of runs on an input that lies on the device."""
    runner = classifier.runner
    engine = BoundEngine(runner.opened, runner.reading, rows, runner.bound_device)
    engine.fill(np.zeros(engine.shape, dtype=classifier.dtype))
    for _ in range(3):
        engine.compute(0, rows)
    blocks, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(blocks) < 3:
        start = time.perf_counter()
        n = max(1, 64 // rows)
        for _ in range(n):
            engine.compute(0, rows)
        blocks.append((time.perf_counter() - start) / (n * rows))
    return statistics.median(blocks), min(blocks)


def calibrate(
    classifier: dccausal.OnnxClassifier, options: argparse.Namespace, rows: list[dict[str, object]]
) -> tuple[int, float]:
    rates = {}
    for batch in options.batch:
        try:
            median, best = seconds_per_image(classifier, batch, options.seconds)
        except Exception as error:  # noqa: BLE001  memory that runs out ends the ladder
            print(f"batch {batch}: {error}")
            break
        rates[batch] = best
        rows.append(
            {"what": "model alone", "setting": f"batch {batch}", "ms": best * 1e3, "ms_median": median * 1e3}
        )
    batch = min(rates, key=rates.__getitem__)
    return batch, rates[batch]


def measure_masking(classifier: dccausal.OnnxClassifier, batch: int, rows: list[dict[str, object]]) -> None:
    composer = composer_of(classifier)
    x, _ = classifier.prepare(demo_photo())
    (image, baseline), made = composer.pair(x, np.zeros_like(x)), ComposedBatch(composer)
    made.open(batch)
    search = _core.Search(
        _core.Evidence(*classifier.size), partitions=256, seed=0, world="intact", weighting="shares", min_side=0.1,
        refine_equal=False, concentration=1, wave=256,
    )  # fmt: skip
    questions = search.propose(batch)
    packing, masking = [], []
    for _ in range(30):
        start = time.perf_counter()
        bits = questions.bits()
        middle = time.perf_counter()
        made.compose(bits, image, baseline, 0)
        packing.append((middle - start) / len(bits))
        masking.append((time.perf_counter() - middle) / len(bits))
    for what, times in (("packing bits", packing), ("sending and masking", masking)):
        rows.append(
            {
                "what": what,
                "setting": f"batch {batch}",
                "ms": min(times) * 1e3,
                "ms_median": statistics.median(times) * 1e3,
            }
        )


def photos(n: int) -> list[np.ndarray]:
    """Different photographs: the demo's, turned over and rolled."""
    photo = np.asarray(demo_photo())
    return [np.roll(photo[:, :: -1 if i % 2 else 1], 37 * i, axis=1) for i in range(n)]


def measure(
    model: Path | str, options: argparse.Namespace, batch: int, ceiling: float, rows: list[dict[str, object]]
) -> None:
    classifier = load(model, options, batch_size=batch)
    composer = composer_of(classifier)
    common = {"bytes_sent": composer.n_mask_bytes, "bytes_received": 12}  # type: ignore[attr-defined]
    list(dccausal.explain_many(photos(1), classifier, max_calls=max(20, 2 * batch)))  # warm

    def add(what: str, found: list[object], wall: float) -> None:
        calls = sum(one.statistics["model_calls"] for one in found)
        busy = sum(one.statistics["model_seconds"] for one in found)
        rows.append(
            {
                "what": what,
                "setting": f"{len(found)} images, batch {batch}",
                "ms": wall / len(found) * 1e3,
                "model_calls": calls,
                "explanations_a_minute": 60 * len(found) / wall,
                "share_of_ceiling": calls * ceiling / wall,
                "idle": 1 - busy / wall,
                "outside_model_ms": (wall - busy) / len(found) * 1e3,
                "device_MiB": device_memory(),
                "host_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                **common,
            }
        )

    for partitions in options.partitions:
        settings = {} if partitions is None else {"partitions": partitions}
        name = "default" if partitions is None else f"N = {partitions}"
        for repeat in range(options.repeats):
            start = time.perf_counter()
            found = dccausal.explain(demo_photo(), classifier, seed=repeat, **settings)
            add(f"one image, {name}", [found], time.perf_counter() - start)
    start = time.perf_counter()
    together = [
        found for _, found in dccausal.explain_many(photos(options.images), classifier, on_error="raise")
    ]
    add("many images, default", together, time.perf_counter() - start)
    del classifier, composer
    exact = load(model, options, batch_size=batch, reproducible=True)
    list(dccausal.explain_many(photos(1), exact, max_calls=max(20, 2 * batch)))
    for repeat in range(options.repeats):
        start = time.perf_counter()
        found = dccausal.explain(demo_photo(), exact, seed=repeat)
        add("one image, reproducible (no TF32)", [found], time.perf_counter() - start)


def nvidia(query: str) -> str:
    try:
        run = subprocess.run(
            ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return run.stdout.splitlines()[0].strip()


def device_memory() -> float | None:
    """In use by all processes; ONNX Runtime's arena does not shrink, so at the end this is its peak."""
    used = nvidia("memory.used")
    return float(used) if used else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--models", type=Path, help="folder of the random models")
    parser.add_argument(
        "--kind", nargs="+", choices=speed_models.KINDS, default=["small", "resnet50", "vit_b"]
    )
    parser.add_argument("--size", nargs="+", type=int, default=[224, 384, 1024])
    parser.add_argument("--dtype", nargs="+", choices=speed_models.TYPES, default=["float32", "float16"])
    parser.add_argument("--batch", nargs="+", type=int, default=list(BATCHES))
    parser.add_argument(
        "--partitions", nargs="+", type=lambda text: None if text == "default" else int(text),
        default=[None, 1, 10, 50, 200],
    )  # fmt: skip
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each step of the calibration")
    parser.add_argument("--out", type=Path, default=RECORDS)
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as temporary:
        check(options, Path(temporary))
        folder = options.models or Path(temporary)
        todo = [
            (options.model or (kind, size, dtype))
            for kind in options.kind
            for size in options.size
            for dtype in options.dtype
        ]
        for item in todo[:1] if options.model else todo:
            model = item if options.model else speed_models.write(folder, *item)
            first = len(rows)
            classifier = load(model, options)
            batch, ceiling = calibrate(classifier, options, rows)
            measure_masking(classifier, batch, rows)
            del classifier
            measure(model, options, batch, ceiling, rows)
            for row in rows[first:]:
                row["model"] = Path(model).name
                print(shown(row))
    gpu = nvidia("name,driver_version") or "no GPU: a trial on the CPU provider"
    for row in rows:
        row["device"] = options.device
    write_record("gpu" if options.device != "cpu" else "gpu-trial-on-cpu", rows, options.out, gpu)


if __name__ == "__main__":
    main()
