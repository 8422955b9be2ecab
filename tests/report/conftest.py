"""Reports to look at."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dccausal.cli.app import main
from dccausal.onnx.classifier import OnnxClassifier
from dccausal.report.write import write_report
from pages import DAMAGED, HOSTILE

_FAST = ("--partitions", "4", "--device", "cpu", "--threads", "1", "--quiet")


@pytest.fixture(scope="session")
def report(tmp_path_factory, planted):
    """A report on hostile names, with a truth, curves and a photograph that failed."""
    folder = tmp_path_factory.mktemp("page")
    scene = planted("needs_a_and_b")
    photos = folder / "photos"
    photos.mkdir()
    with Image.open(scene.photo) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rng = np.random.default_rng(0)
    for name in HOSTILE:
        noisy = np.clip(pixels + rng.integers(-3, 4, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(photos / name, format="PNG")
    (photos / DAMAGED).write_bytes(b"no image")
    n_classes = OnnxClassifier(scene.path, device="cpu").n_classes
    names = ["</script><img src=x onerror=alert(3)>\u2028\"'", "\u05d0</script><script>alert(4)</script>"]
    labels = folder / "labels.json"
    labels.write_text(json.dumps((names * n_classes)[:n_classes]))
    run = folder / "run"
    arguments = ["--out", str(run), "-m", str(scene.path), "--labels", str(labels)]
    assert main(["explain", str(photos), *arguments, *_FAST]) == 2
    truth = folder / "truth.csv"
    lines = (run / "results.jsonl").read_text().splitlines()
    rows = sorted(map(json.loads, lines), key=lambda row: row["index"])
    label = next(row["label"] for row in rows if row["error"] is None)
    quoted = [name.replace('"', '""') for name in HOSTILE[:3]]
    lines = [f'"{name}",{label + (i == 1)}\n' for i, name in enumerate(quoted)]
    truth.write_text("file,label\n" + "".join(lines))
    classifier = OnnxClassifier(scene.path, device="cpu")
    path = write_report(run, truth=truth, classifier=classifier)["path"]
    return SimpleNamespace(
        path=path,
        run=run,
        photos=photos,
        rows=rows,
        name=names[label % 2].split(",")[0],
        model=str(scene.path),
        labels=str(labels),
    )


@pytest.fixture(scope="session")
def recorded(tmp_path_factory, report):
    """A report on one photograph of a hostile name with its causal trees, and on one without."""
    folder = tmp_path_factory.mktemp("trees")
    for i, more in enumerate((["--trees", "3", "--world", "both"], [])):
        arguments = [*more, "-m", report.model, "--labels", report.labels, "--out", str(folder / "results")]
        photo = folder / f"{i}{HOSTILE[0]}"
        shutil.copy(report.photos / HOSTILE[0], photo)
        assert main(["explain", str(photo), *arguments, *_FAST]) == 0
    path = write_report(folder / "results")["path"]
    documents = [json.loads(path.read_text()) for path in sorted(folder.glob("results/*/result.json"))]
    return SimpleNamespace(path=path, trees=documents[0]["trees"], image=documents[0]["image"])
