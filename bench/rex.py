"""ReX (``rex-xai`` 0.4.1) on a folder of photographs, as a rival: its explanations, calls and seconds.

ReX needs torch and an older NumPy, so it lives in an environment of its own::

    python3.11 -m venv rexvenv
    rexvenv/bin/pip install rex-xai==0.4.1 onnxruntime
    python bench/rex.py --python rexvenv/bin/python --model model.onnx --mean 0.498 --std 0.502 \
        --images photographs/ --out rex/

Where a CPU build of torch can be had, install it first: PyPI's brings 3 GB of CUDA libraries with it.

``--mean`` and ``--std`` are those of ``(pixel / 255 - mean) / std``, one number or one a channel. Photographs are
resized to the model's size (bilinear, proportions not kept) and normalised here, so that ReX sees what dccausal sees
with ``Preprocess(geometry="squash")``; ReX's own loading takes no proportions but the model's and no standard colour.
Masked pixels get ``--baseline``, a grey value or r,g,b before normalisation. All other settings are ReX's own
defaults (20 iterations, boxes of at least 10 pixels, batches of 1, strategy "global"), except those given here. It
explains the top label, and applies softmax to the output whatever it is.

Written are ``OUT/rex.jsonl`` and arrays beside it. Each line is an object:

``file``           the photograph's path relative to ``--images``
``label``          index of the label that was explained
``score``, ``explanation_score``   ReX's confidence in it, on the image and on the explanation
``calls``          images the model was given, of which ``calls_search`` in the search
``seconds``        for one photograph, loading included; ``model_seconds`` of them in ReX's prediction function
``mask``           path of a .npy, bool (H, W), True = kept (``Explanation.sufficiency_mask``)
``heatmap``        path of a .npy, float32 (H, W), ReX's responsibility map as it is
``ranking``        path of a .npy, int64 (H * W,), flat indices of pixels in ReX's own order, best first
``settings``       versions, seed, iterations, batch size

Paths are relative to the file. Where ReX fails, the line has ``file``, ``error``, ``calls`` and ``seconds`` instead.
``--resume`` goes on behind the lines that are there. ``dccausal evaluate --external rex=OUT/rex.jsonl`` reads it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", type=Path, help="Python of ReX's environment; default: this one")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True, help="a folder")
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--mean", type=numbers, default=[0.0])
    parser.add_argument("--std", type=numbers, default=[1.0])
    parser.add_argument("--baseline", type=numbers, default=[128.0])
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument(
        "--confidence", type=float, default=0.0, help="floor, as a share of the image's score"
    )
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="only the first photographs")
    parser.add_argument("--resume", action="store_true")
    return parser.parse_args()


def numbers(text):
    return [float(part) for part in text.split(",")]


class Counted:
    """A prediction function of ReX that counts images and seconds."""

    def __init__(self, predict):
        self._predict, self.calls, self.seconds = predict, 0, 0.0

    def __call__(self, tensors, *more, **named):
        start = time.perf_counter()
        try:
            return self._predict(tensors, *more, **named)
        finally:
            self.calls += len(tensors)
            self.seconds += time.perf_counter() - start


class Rex:
    """ReX with one model."""

    def __init__(self, chosen):
        import onnxruntime
        import rex_xai.explanation.rex  # noqa: F401  before the clock starts
        import torch
        from rex_xai.input.config import CausalArgs
        from rex_xai.input.onnx import get_prediction_function

        self.args = CausalArgs()
        self.args.model, self.args.mode, self.args.gpu = str(chosen.model), "RGB", False
        self.args.seed, self.args.iters = chosen.seed, chosen.iterations
        self.args.batch_size, self.args.progress_bar = chosen.batch_size, False
        self.args.minimum_confidence_threshold = chosen.confidence
        self.predict, shape = get_prediction_function(self.args)
        self.shape = [1, *shape[1:]]
        self.is_planar = self.shape[1] in (1, 3)
        self.chosen = chosen
        self.settings = {
            "rex": "0.4.1",
            "torch": torch.__version__,
            "onnxruntime": onnxruntime.__version__,
            "platform": platform.platform(),
            "seed": chosen.seed,
            "iterations": chosen.iterations,
            "batch_size": chosen.batch_size,
            "confidence": chosen.confidence,
            "baseline": chosen.baseline,
        }

    def normalised(self, pixels):
        """Float32 tensor (1, C, H, W) or (1, H, W, C) of (H, W, 3)."""
        import numpy as np
        import torch

        values = (pixels / 255 - np.array(self.chosen.mean)) / np.array(self.chosen.std)
        if self.is_planar:
            values = values.transpose(2, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(values[None], dtype=np.float32))

    def data(self, path):
        """A photograph as ReX has it: normalised, with what masks do to it."""
        import numpy as np
        import torch
        from PIL import Image, ImageOps
        from rex_xai.input.input_data import Data

        height, width = self.shape[2:] if self.is_planar else self.shape[1:3]
        with Image.open(path) as opened:
            photo = ImageOps.exif_transpose(opened).convert("RGB")
        if photo.size != (width, height):
            photo = photo.resize((width, height), Image.Resampling.BILINEAR)
        data = Data(photo, self.shape, "cpu", mode="RGB")
        data.data = self.normalised(np.asarray(photo, dtype=np.float64))
        colour = self.normalised(np.broadcast_to(np.array(self.chosen.baseline), (1, 1, 3)))
        data.mask_value = lambda kept, image: torch.where(kept, image, colour)
        return data

    def explain(self, path, predict):
        """ReX's ``Explanation`` of a photograph, and the calls of its search."""
        from rex_xai.explanation.explanation import Explanation
        from rex_xai.explanation.rex import calculate_responsibility, predict_target

        data = self.data(path)
        data.target = predict_target(data, self.args, predict)
        maps, statistics = calculate_responsibility(data, self.args, predict)
        calls = predict.calls
        found = Explanation(maps, predict, data, self.args, statistics)
        found.extract()
        return found, calls


def arrays_of(found, *, is_planar):
    """What is kept, the heatmap and the ranking of an explanation, as arrays."""
    import numpy as np

    heatmap = found.target_map.numpy().astype(np.float32)
    kept = found.sufficiency_mask.numpy().reshape(found.data.data.shape[1:]).any(axis=0 if is_planar else 2)
    # ReX sorts (value, place) downwards: of equal pixels the last comes first.
    order = np.lexsort((-np.arange(heatmap.size), -heatmap.ravel()))
    return {"mask": kept, "heatmap": heatmap, "ranking": order.astype(np.int64)}


def line_of(rex, path, name, out):
    """Explain one photograph, write its arrays, and return its line."""
    import numpy as np

    predict = Counted(rex.predict)
    start = time.perf_counter()
    try:
        found, calls_search = rex.explain(path, predict)
    except (Exception, SystemExit) as error:  # noqa: BLE001  ReX ends the process where it cannot go on
        said = f"{type(error).__name__}: {error}"
        return {
            "file": name,
            "error": said,
            "calls": predict.calls,
            "seconds": time.perf_counter() - start,
            "model_seconds": predict.seconds,
            "settings": rex.settings,
        }
    seconds = time.perf_counter() - start
    files = {}
    for kind, array in arrays_of(found, is_planar=rex.is_planar).items():
        files[kind] = f"{name.replace('/', '_')}.{kind}.npy"
        np.save(out / files[kind], array)
    return {
        "file": name,
        "label": int(found.data.target.classification),
        "score": float(found.data.target.confidence),
        "explanation_score": float(found.sufficiency_confidence),
        "calls": predict.calls,
        "calls_search": calls_search,
        "seconds": seconds,
        "model_seconds": predict.seconds,
        **files,
        "settings": rex.settings,
    }


def main():
    chosen = options()
    if chosen.python is not None:
        os.execv(  # noqa: S606  the same script, elsewhere
            chosen.python, [str(chosen.python), __file__, *without_python(sys.argv[1:])]
        )
    os.environ["TQDM_DISABLE"] = "1"
    chosen.out.mkdir(parents=True, exist_ok=True)
    record = chosen.out / "rex.jsonl"
    lines = record.read_text().splitlines() if chosen.resume and record.exists() else []
    done = {json.loads(line)["file"] for line in lines}
    paths = sorted(path for path in chosen.images.rglob("*") if path.suffix.lower() in SUFFIXES)[
        : chosen.limit
    ]
    rex = Rex(chosen)
    with record.open("a" if chosen.resume else "w") as stream:
        for i, path in enumerate(paths):
            name = path.relative_to(chosen.images).as_posix()
            if name in done:
                continue
            line = line_of(rex, path, name, chosen.out)
            stream.write(json.dumps(line) + "\n")
            stream.flush()
            said = line.get("error") or f"label {line['label']}, {line['explanation_score']:.3f}"
            print(f"{i + 1}/{len(paths)} {name}: {said}, {line['calls']} calls, {line['seconds']:.1f} s")


def without_python(arguments):
    """The arguments without --python and its value."""
    at = next(i for i, argument in enumerate(arguments) if argument.split("=")[0] == "--python")
    return arguments[:at] + arguments[at + (1 if "=" in arguments[at] else 2) :]


if __name__ == "__main__":
    main()
