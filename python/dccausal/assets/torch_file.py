"""
Reading the arrays out of a PyTorch checkpoint of the old format (before 1.6), without PyTorch.

Such a file is a row of pickles and then raw memory: a magic number, the version of the format, facts about
the machine that wrote it, the object itself (tensors are shapes that point into storages), the keys of the
storages, and for each key the number of its elements (int64) and the elements.

A pickle can run any code. This reader resolves four names, each to something harmless, and refuses all
others.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_COUNT = np.dtype("<i8")
_N_PERSISTENT = 6  # parts of a persistent id


class _Storage(NamedTuple):
    """A run of elements that tensors point into."""

    key: str
    dtype: np.dtype[Any]
    n_elements: int


class _Tensor(NamedTuple):
    """A view of a storage, in elements; filled in once the storages have been read."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_file(content: bytes) -> dict[str, NDArray[Any]]:
    """
    Return the named arrays of a checkpoint.

    Parameters
    ----------
    content
        The whole file: a dictionary of tensors (a "state dict"), saved by ``torch.save`` in the format that
        was the default before PyTorch 1.6.

    Returns
    -------
    arrays
        By name, in the file's order; float32 or int64, little-endian, read-only views of ``content``.

    Raises
    ------
    ValueError
        If the file is of another format, is truncated, or its pickle asks for anything but tensors.

    """
    stream = io.BytesIO(content)
    try:
        magic, version, machine = (_Unpickler(stream).load() for _ in range(3))
        if (magic, version) != (_MAGIC, _PROTOCOL) or not machine["little_endian"]:
            raise ValueError("no PyTorch checkpoint of the old format")
        tensors = dict(_Unpickler(stream).load())
        keys = _Unpickler(stream).load()
        known = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        at = stream.tell()
        storages = {}
        for key in keys:
            storages[key], at = _read_storage(content, at, known[key])
        return {name: _view(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}
    except (pickle.UnpicklingError, EOFError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"no readable PyTorch checkpoint of the old format ({error})") from error


def _read_storage(content: bytes, at: int, storage: _Storage) -> tuple[NDArray[Any], int]:
    """Return the elements at a position of the file, and the position behind them."""
    count = int(np.frombuffer(content, _COUNT, 1, at)[0])
    if count < 0 or count != storage.n_elements:
        raise ValueError(
            f"storage {storage.key} has {count} elements where {storage.n_elements} are announced"
        )
    at += _COUNT.itemsize
    return np.frombuffer(content, storage.dtype, count, at), at + count * storage.dtype.itemsize


def _view(tensor: _Tensor, elements: NDArray[Any]) -> NDArray[Any]:
    """Return a tensor's elements in its shape."""
    last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
    if (
        min(tensor.offset, *tensor.strides, 0) < 0
        or min(tensor.shape, default=1) < 1
        or last >= elements.size
    ):
        raise ValueError(f"a tensor of shape {tensor.shape} reaches beyond its storage")
    strides = [step * elements.itemsize for step in tensor.strides]
    return np.lib.stride_tricks.as_strided(elements[tensor.offset :], tensor.shape, strides, writeable=False)


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_autograd: Any
) -> _Tensor:
    """Stand in for ``torch._utils._rebuild_tensor_v2``."""
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
}


class _Unpickler(pickle.Unpickler):
    """Resolves the allowed names only."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Return what stands for a name of the pickle."""
        found = _ALLOWED.get((module_name, global_name))
        if found is None:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}, which is not allowed")
        return found

    def persistent_load(self, pid: Any, /) -> _Storage:
        """Return the storage that a persistent id of the pickle names."""
        if not isinstance(pid, tuple) or len(pid) != _N_PERSISTENT:
            raise pickle.UnpicklingError(f"it refers to {pid!r}, where a storage is needed")
        kind, dtype, key, _location, n_elements, _view_metadata = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"it refers to {kind!r}, where a storage is needed")
        return _Storage(str(key), dtype, int(n_elements))
