"""What ONNX Runtime says when it fails, in one line."""

from __future__ import annotations

_MAX_TEXT = 300


# ONNX Runtime's arena, CUDA, cuBLAS and cuDNN, in this order.
_OUT_OF_MEMORY = (
    "Failed to allocate memory",
    "smaller than requested bytes",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error of ONNX Runtime's says that a device's memory was too small."""
    text = str(error)
    return any(sign in text for sign in _OUT_OF_MEMORY)


def brief(error: Exception) -> str:
    """Return what an error says on one line, without ONNX Runtime's prefix, and not more than fits there."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text.removeprefix("[ONNXRuntimeError] : ")
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."
