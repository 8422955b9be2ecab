"""What an explanation costs with other tools, side by side: seconds, model calls, memory, and what has to be installed.

Run ``python bench/rivals.py [--images FOLDER] [--rex PYTHON] [--repeats N] [--out FOLDER]`` with the extra ``rivals``.
Every tool explains the same photographs (the packaged one by default) with the same model, on ONNX Runtime and all
cores, in a process of its own, in turns:

- dccausal, dccausal fast, dccausal paper: heatmap and minimal sufficient set;
- RISE, 4,000 masks: by ``explain_with``, with the renderer and the batches of dccausal, and without what follows there;
- LIME: the package ``lime`` as its documentation has it, 1,000 samples of its own segments;
- SHAP: the package ``shap``, its partition explainer with 1,000 evaluations in batches of 50;
- ReX: ``rex-xai`` in its own environment (see ``bench/rex.py``), if ``--rex`` names the Python there.

Columns: ``seconds`` of one explanation, the model loaded; ``model_calls``, in images, and ``model_seconds`` that they
took; ``start_seconds``, what else the process took: imports, loading; ``peak_MiB`` of the process; ``installed_MiB``
and ``packages``: the tool, ONNX Runtime, and all that they require, as installed; ``times_dccausal``: seconds over
those of dccausal's default settings in the same turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dccausal
from dccausal.assets.default_model import default_model
from dccausal.assets.photo import demo_photo
from dccausal.inputs.baseline import make_baseline
from dccausal.methods import explain_with

sys.path[:0] = [str(Path(__file__).parent)]
from recording import RECORDS, peak_mib, shown, write_record  # noqa: E402

Row = dict[str, Any]
Classify = Callable[[NDArray[Any]], NDArray[np.float32]]


class Counted:
    """The classifier, with what it was asked and how long that took."""

    def __init__(self, classifier: dccausal.OnnxClassifier) -> None:
        self.classifier, self.calls, self.seconds = classifier, 0, 0.0

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        start = time.perf_counter()
        scores = self.classifier(np.ascontiguousarray(images, dtype=np.uint8))
        self.calls, self.seconds = self.calls + len(images), self.seconds + time.perf_counter() - start
        return scores


def by_dccausal(profile: str) -> Callable[[Counted, Path], Row]:
    def run(counted: Counted, path: Path) -> Row:
        found = dccausal.explain(path, counted.classifier, profile=profile)
        return {key: found.statistics[key] for key in ("model_calls", "model_seconds")}

    return run


def by_rise(counted: Counted, path: Path) -> Row:
    found = explain_with("rise", path, counted.classifier, masks=4000)
    row: Row = {"model_seconds": None}
    for column, statistic in (("seconds", "seconds_by_phase"), ("model_calls", "model_calls_by_phase")):
        row[column] = sum(found.statistics[statistic][phase] for phase in ("check", "search"))
    return row


def by_lime(counted: Counted, path: Path) -> Row:
    from lime.lime_image import LimeImageExplainer

    x, _ = counted.classifier.prepare(dccausal.load_photo(path))
    explainer = LimeImageExplainer(random_state=0)
    found = explainer.explain_instance(x, counted, top_labels=1, hide_color=0, num_samples=1000)
    assert found.top_labels
    return {}


def by_shap(counted: Counted, path: Path) -> Row:
    import shap

    x, _ = counted.classifier.prepare(dccausal.load_photo(path))
    masker = shap.maskers.Image(make_baseline("grey", x).flatten(), x.shape)
    explainer = shap.PartitionExplainer(counted, masker)
    best = shap.Explanation.argsort.flip[:1]
    values = explainer(x[None], max_evals=1000, batch_size=50, outputs=best, silent=True)
    assert values.values.shape[1:3] == x.shape[:2]
    return {}


TOOLS: dict[str, tuple[Callable[[Counted, Path], Row], tuple[str, ...]]] = {
    "dccausal": (by_dccausal("default"), ("dccausal", "onnxruntime")),
    "dccausal fast": (by_dccausal("fast"), ("dccausal", "onnxruntime")),
    "dccausal paper": (by_dccausal("paper"), ("dccausal", "onnxruntime")),
    "RISE, 4,000 masks": (by_rise, ("dccausal", "onnxruntime")),
    "LIME, 1,000 samples": (by_lime, ("lime", "onnxruntime")),
    "SHAP, 1,000 evaluations": (by_shap, ("shap", "onnxruntime")),
}
SHOWN = (
    "seconds",
    "model_calls",
    "start_seconds",
    "peak_MiB",
    "installed_MiB",
    "packages",
    "times_dccausal",
)
REX, REX_NEEDS = "ReX", ("rex-xai", "onnxruntime")


def child(tool: str, model: str, photos: list[Path]) -> None:
    """In a process of its own: explain the photographs and print a line for each."""
    explain = TOOLS[tool][0]
    counted = Counted(dccausal.OnnxClassifier(model))
    for path in photos:
        counted.calls, counted.seconds = 0, 0.0
        start = time.perf_counter()
        more = explain(counted, path)
        seconds = time.perf_counter() - start
        row = {
            "total": seconds,
            "seconds": seconds,
            "model_calls": counted.calls,
            "model_seconds": counted.seconds,
            **more,
        }
        print(json.dumps({"photograph": path.name, **row}), flush=True)


def run(command: list[str]) -> tuple[str, float, float]:
    """Return what a process printed, the seconds that it took, and the peak of its memory in MiB."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        start, peak = time.perf_counter(), 0.0
        process = subprocess.Popen(command, stdout=said, stderr=errors)
        while process.poll() is None:
            peak = max(peak, peak_mib(process.pid))
            time.sleep(0.02)
        wall = time.perf_counter() - start
        said.seek(0)
        errors.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {errors.read()[-2000:]}")
        return said.read(), wall, peak


def normalisation(model: str) -> list[str]:
    """Return the options that tell ``bench/rex.py`` what the model is given, and what masked pixels become."""
    settings = dccausal.OnnxClassifier(model).preprocess
    if settings.scale != 1 / 255:
        raise SystemExit(f"{model} has pixels scaled by {settings.scale}; bench/rex.py needs 1/255")
    grey = make_baseline("grey", np.zeros((1, 1, 3), np.uint8))[0, 0]
    numbers = {"--mean": settings.mean, "--std": settings.std, "--baseline": grey}
    return [word for name, values in numbers.items() for word in (name, ",".join(map(str, values)))]


def turn(tool: str, options: argparse.Namespace, photos: list[Path]) -> Iterator[Row]:
    """Have one tool explain all photographs."""
    if tool == REX:
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, str(Path(__file__).with_name("rex.py")), "--python", str(options.rex)]
            command += ["--model", options.model, "--images", str(photos[0].parent), "--out", out]
            command += normalisation(options.model)
            _, wall, peak = run(command)
            lines = [json.loads(line) for line in Path(out, "rex.jsonl").read_text().splitlines()]
        rows = [
            {"photograph": line["file"], "seconds": line["seconds"], "model_calls": line["calls"]}
            | {"model_seconds": line["model_seconds"], "failed": line.get("error")}
            for line in lines
        ]
    else:
        command = [sys.executable, __file__, "--model", options.model, "--child", tool]
        said, wall, peak = run([*command, *map(str, photos)])
        rows = [json.loads(line) for line in said.splitlines()]
    start = wall - sum(row.pop("total", row["seconds"]) for row in rows)
    for row in rows:
        yield {"tool": tool, **row, "start_seconds": start, "peak_MiB": peak}


_SIZE = """
import importlib.metadata as m, json, sys
from pathlib import Path
from packaging.requirements import Requirement
seen, n_bytes, queue = set(), 0, json.loads(sys.argv[1])
for name in queue:
    m.distribution(name)  # what is asked for has to be there
while queue:
    name = queue.pop().lower().replace("_", "-")
    if name in seen:
        continue
    seen.add(name)
    try:
        found = m.distribution(name)
    except m.PackageNotFoundError:
        continue
    files = {str(f.locate()) for f in found.files or ()}
    n_bytes += sum(Path(f).stat().st_size for f in files if not f.endswith(".pyc") and Path(f).is_file())
    for line in found.requires or ():
        need = Requirement(line)
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            queue.append(need.name)
print(json.dumps([n_bytes, len(seen)]))
"""


def installed(python: str, names: tuple[str, ...]) -> tuple[float, int]:
    """Return MiB and number of packages that these need, themselves included."""
    said = subprocess.run(
        [python, "-c", _SIZE, json.dumps(names)], capture_output=True, text=True, check=True
    ).stdout
    n_bytes, n = json.loads(said)
    if "dccausal" in names:  # where it is installed as a link to its sources
        here = Path(dccausal.__file__).parent
        if here.parent.name == "python":
            n_bytes += sum(f.stat().st_size for f in here.rglob("*") if f.is_file() and f.suffix != ".pyc")
    return n_bytes / (1 << 20), n


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", type=Path, default=None, help="a folder of photographs, all of which are used"
    )
    parser.add_argument("--model", default=None)
    parser.add_argument("--rex", type=Path, default=None, help="Python of ReX's environment")
    parser.add_argument("--only", nargs="+", choices=[*TOOLS, REX], default=None)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RECORDS)
    parser.add_argument("--child", default=None, help=argparse.SUPPRESS)
    parser.add_argument("photos", nargs="*", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.model = options.model or str(default_model())
    if options.child:
        child(options.child, options.model, options.photos)
        return
    with tempfile.TemporaryDirectory() as temporary:
        if options.images is None:
            demo_photo().save(Path(temporary, "panda.png"))
            options.images = Path(temporary)
        photos = sorted(path for path in options.images.iterdir() if path.is_file())
        compare(options, photos)


def compare(options: argparse.Namespace, photos: list[Path]) -> None:
    tools = options.only or [*TOOLS, *([REX] if options.rex else [])]
    sizes = {
        tool: installed(str(options.rex), REX_NEEDS)
        if tool == REX
        else installed(sys.executable, TOOLS[tool][1])
        for tool in tools
    }
    rows: list[Row] = []
    for repeat in range(options.repeats):
        ours: dict[str, float] = {}
        for tool in tools:
            for row in turn(tool, options, photos):
                if tool == "dccausal":
                    ours[row["photograph"]] = row["seconds"]
                times = row["seconds"] / ours[row["photograph"]] if row["photograph"] in ours else None
                size, n_packages = sizes[tool]
                rows.append({**row, "repeat": repeat, "installed_MiB": size, "packages": n_packages})
                rows[-1]["times_dccausal"] = times
                print(shown(rows[-1]), flush=True)
    for tool in tools:
        own = [row for row in rows if row["tool"] == tool and not row.get("failed")]
        medians = {
            key: statistics.median(row[key] for row in own)
            for key in SHOWN
            if own and own[0][key] is not None
        }
        print(f"{tool}, median of {len(own)}:  {shown(medians)}")
    write_record("rivals", rows, options.out)


if __name__ == "__main__":
    main()
