"""What a file is that was given for a model and is none, told from its first bytes."""

from __future__ import annotations

import re

_LFS = b"version https://git-lfs"
_N_LOOKED_AT = 1024

# What a file begins with, what that is, and what is to be done.
_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (_LFS, "a pointer of Git LFS, not the file itself", "git lfs pull fetches it"),
    (b"\x1f\x8b", "compressed by gzip", "gunzip unpacks it"),
    (b"BZh", "compressed by bzip2", "bunzip2 unpacks it"),
    (b"\xfd7zXZ\x00", "compressed by xz", "unxz unpacks it"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "unzstd unpacks it"),
    (b"7z\xbc\xaf", "a 7z archive", "7z x unpacks it"),
    (
        b"\x89HDF\r\n",
        "an HDF5 file, as Keras writes",
        "Keras' model.export(..., format='onnx') or tf2onnx makes an ONNX file",
    ),
    (b"\x80\x02", "a pickle, as PyTorch wrote", "torch.onnx.export makes an ONNX file"),
    (b"\x80\x03", "a pickle", "torch.onnx.export makes an ONNX file"),
    (b"\x80\x04", "a pickle", "torch.onnx.export makes an ONNX file"),
    (b"\x80\x05", "a pickle", "torch.onnx.export makes an ONNX file"),
    (b"\x93NUMPY", "an array of NumPy's", "the ONNX file is needed"),
    (b"\x89PNG", "a picture", "the ONNX file comes after --model"),
    (b"\xff\xd8\xff", "a picture", "the ONNX file comes after --model"),
    (b"RIFF", "a picture", "the ONNX file comes after --model"),
    (b"GIF8", "a picture", "the ONNX file comes after --model"),
    (b"%PDF", "a PDF file", "the ONNX file is needed"),
)
_TORCH_ZIP = re.compile(rb"[^/]{1,200}/(data\.pkl|constants\.pkl|version|\.format_version|byteorder)")
_HTML = re.compile(rb"\s*(<!doctype html|<html|<head)", re.IGNORECASE)


def is_lfs_pointer(data: bytes | memoryview) -> bool:
    """Return whether bytes are a pointer of Git LFS."""
    return bytes(data[: len(_LFS)]) == _LFS


def what_it_is(data: bytes | memoryview) -> tuple[str, str] | None:
    """Return what bytes are that are no ONNX model, and what to do, in words; None for what may be one."""
    head = bytes(data[:_N_LOOKED_AT]).removeprefix(b"\xef\xbb\xbf")
    for beginning, what, advice in _BEGINNINGS:
        if head.startswith(beginning):
            return what, advice
    if head.startswith(b"PK\x03\x04"):
        return _zip(head)
    is_safetensors = head[8:9] == b"{" and int.from_bytes(head[:8], "little") < len(data) - 8
    text = head.lstrip()
    signs: tuple[tuple[bool, str, str], ...] = (
        (
            _HTML.match(head) is not None,
            "a web page, perhaps of an error or a log-in",
            "the address of the file itself (raw, resolve) is needed",
        ),
        (head[4:8] == b"TFL3", "a TFLite model", "python -m tf2onnx.convert --tflite makes an ONNX file"),
        (head[257:262] == b"ustar", "a tar archive", "tar xf unpacks it"),
        (
            is_safetensors and b'"dtype"' in head,
            "weights in safetensors",
            "torch.onnx.export, or optimum-cli export onnx, makes an ONNX file",
        ),
        (text[:5] == b"<?xml", "an XML file, as OpenVINO's", "the ONNX file is needed"),
        (text[:1] in (b"{", b"[") and head.isascii(), "a text, as JSON", "the ONNX file is needed"),
    )
    return next(((what, advice) for holds, what, advice in signs if holds), None)


def _zip(head: bytes) -> tuple[str, str]:
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if _TORCH_ZIP.match(name):
        return "a file of PyTorch's (.pt, .pth)", "torch.onnx.export makes an ONNX file of its model"
    if name in (b"metadata.json", b"config.json", b"model.weights.h5"):
        return "a model of Keras' (.keras)", "Keras' model.export(..., format='onnx') makes an ONNX file"
    return "a zip archive", "unzip unpacks it"
