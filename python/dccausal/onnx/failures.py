"""What ONNX Runtime says when it fails, in one line; and what unexpected data makes a reader raise."""

from __future__ import annotations

import re

from dccausal.errors import OptionError

_MAX_TEXT = 300
_HEAD = 90

# What damaged or hostile JSON, Python literals and numbers make those raise that read them.
UNREADABLE = (
    *(OptionError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError),
    *(RecursionError, MemoryError, SyntaxError),
)

# ONNX Runtime's arena, CUDA, cuBLAS and cuDNN, in this order.
_OUT_OF_MEMORY = (
    "Failed to allocate memory",
    "smaller than requested bytes",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
_MOST_READ = 1000
# Where in ONNX Runtime's sources it happened, and the signature of the function that follows.
_PLACE = re.compile(r"[\w/.+-]*?\w\.(?:cc|h|hpp|cu|cpp):\d+ ?")
_OPSET = re.compile(r"Opset (\d+) is under development.*till opset (\d+)")
_FUNCTION = re.compile(r"[A-Z]\w+ (?=[A-Z!])")
_SIGNATURE = re.compile(r"[\w:<>,&*~ ]*\w::[\w:<>~ ]+\(")


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error of ONNX Runtime's says that a device's memory was too small."""
    text = str(error)
    return any(sign in text for sign in _OUT_OF_MEMORY)


def brief(error: BaseException) -> str:
    """
    Return what an error says on one line, not more than fits there.

    ONNX Runtime says first where in its sources it was, and last what is wrong; so the prefix and the signature of
    the C++ function go, and of what is still too long the end stays.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    if len(text) > 2 * _MOST_READ:  # a model may have names of any length, and the patterns take their square
        text = f"{text[:_MOST_READ]} ... {text[-_MOST_READ:]}"
    text = _without_place(text.removeprefix("[ONNXRuntimeError] : "))
    opset = _OPSET.search(text)
    if opset is not None:
        return f"the model needs opset {opset[1]}, and this ONNX Runtime knows opsets up to {opset[2]}"
    if len(text) <= _MAX_TEXT:
        return text
    return f"{text[:_HEAD].rstrip()} ... {text[-(_MAX_TEXT - _HEAD) :].lstrip()}"


def _without_place(text: str) -> str:
    """Return the text without files, lines and signatures of ONNX Runtime's sources."""
    parts, at = [], 0
    for place in _PLACE.finditer(text):
        if place.start() < at:
            continue
        parts.append(text[at : place.start()])
        at = place.end()
        signature = _SIGNATURE.match(text, at)
        function = _FUNCTION.match(text, at)
        if signature is not None:
            at = _closing(text, signature.end())
        elif function is not None:
            at = function.end()
    return " ".join("".join([*parts, " ", text[at:]]).split())


def _closing(text: str, start: int) -> int:
    """Return the place after the bracket that closes the one before ``start``; the end where none does."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            rest = text[at + 1 :]
            for tail in (" const", " noexcept"):
                rest = rest.removeprefix(tail)
            return len(text) - len(rest)
    return start
