"""Real classifiers on real photographs; what is claimed is confirmed by ONNX Runtime and NumPy alone."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dccausal import OnnxClassifier, Preprocess, explain, metrics
from dccausal.assets.photo import demo_occluded, demo_photo

pytestmark = pytest.mark.slow

# Where the panda is in the packaged photograph: left, top, right, bottom in pixels.
PANDA = (120, 30, 500, 360)
SETTINGS = {
    "partitions": 8,
    "world": "contingency",
    "weighting": "leaf",
    "min_side": 0.25,
    "concentration": 4,
}


def box_in_x(explanation, box):
    """The pixels of the model's image that lie in a box of the photograph."""
    left, top, right, bottom = explanation.placement.box
    height, width = explanation.kept.shape
    columns = left + (np.arange(width) + 0.5) * (right - left) / width
    rows = top + (np.arange(height) + 0.5) * (bottom - top) / height
    is_in_rows = (rows >= box[1]) & (rows < box[3])
    return is_in_rows[:, None] & ((columns >= box[0]) & (columns < box[2]))[None, :]


def confirm(folder, photo, model, size, layout, mean, std, top_1):
    """The label of the explanation by an independent script: Pillow, NumPy and ONNX Runtime alone."""
    script = f"""
import numpy as np, onnxruntime
from PIL import Image
kept = np.asarray(Image.open({str(folder / "kept.png")!r})) > 0
x = Image.open({str(photo)!r}).convert("RGB").resize({size[::-1]}, Image.Resampling.BILINEAR)
masked = np.where(kept[..., None], np.asarray(x), 128).astype(np.float64) / 255
tensor = ((masked - np.array({mean})) / np.array({std})).astype(np.float32)[None]
tensor = np.ascontiguousarray(tensor.transpose(0, 3, 1, 2)) if {layout!r} == "NCHW" else tensor
session = onnxruntime.InferenceSession({str(model)!r})
print(session.run(None, {{session.get_inputs()[0].name: tensor}})[0][0].argmax())
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(run.stdout) == top_1


def test_the_packaged_photograph_is_explained_by_the_panda(default_model_path):
    classifier = OnnxClassifier(default_model_path)
    found = explain(demo_photo(), classifier, **SETTINGS)
    assert found.name.startswith("giant panda")
    assert found.outcome == "minimal"
    panda = box_in_x(found, PANDA)
    assert metrics.occlusion_share(found.kept, panda) > 0.5
    assert found.heatmap[panda].mean() > found.heatmap[~panda].mean()
    assert found.size < 0.15


def test_what_hides_the_panda_is_not_part_of_the_explanation(default_model_path):
    photo, box = demo_occluded()
    found = explain(photo, OnnxClassifier(default_model_path), **SETTINGS)
    assert found.name.startswith("giant panda")
    assert metrics.occlusion_covered(found.kept, box_in_x(found, box)) < 0.1


@pytest.mark.parametrize(
    ("file", "size", "layout", "mean", "std", "n_classes"),
    [
        (
            "squeezenet1.1.onnx",
            (227, 227),
            "NCHW",
            (122.679 / 255, 116.669 / 255, 104.006 / 255),
            (1 / 255,) * 3,
            1000,
        ),
        ("mobilenet_v1_0.25_128_nhwc.onnx", (128, 128), "NHWC", (128 / 255,) * 3, (128 / 255,) * 3, 1001),
    ],
)
def test_other_models_explain_what_an_independent_script_confirms(
    shared, tmp_path, file, size, layout, mean, std, n_classes
):
    preprocess = Preprocess(geometry="squash", scale=1 / 255, mean=mean, std=std)
    labels = shared / "models" / "imagenet1k.txt"
    classifier = OnnxClassifier(shared / "models" / file, preprocess=preprocess, labels=labels)
    assert (classifier.size, classifier.layout, classifier.n_classes) == (size, layout, n_classes)
    photo = shared / "data" / "photos" / "rex_peacock.jpg"
    found = explain(photo, classifier, **SETTINGS)
    assert found.name == "peacock"
    assert found.outcome == "minimal"
    found.save(tmp_path)
    confirm(tmp_path, photo, shared / "models" / file, size, layout, mean, std, found.label)


def test_two_runs_of_the_command_line_write_the_same_bytes(default_model_path, tmp_path):
    photo = tmp_path / "panda.png"
    demo_photo().resize((300, 200), Image.Resampling.BICUBIC).save(photo)
    written = []
    for name in ("one", "two"):
        out = tmp_path / name
        command = [
            sys.executable,
            "-m",
            "dccausal",
            "explain",
            str(photo),
            "--model",
            str(default_model_path),
        ]
        options = [
            "--partitions",
            "2",
            "--min-side",
            "0.4",
            "--max-calls",
            "120",
            "--out",
            str(out),
            "--quiet",
        ]
        subprocess.run([*command, *options], check=True, capture_output=True)
        (heatmap,) = out.rglob("heatmap.npy")
        (result,) = out.rglob("result.json")
        written.append(heatmap.read_bytes())
        assert json.loads(result.read_text())["schema"] == "dccausal.result"
    assert written[0] == written[1]
