"""A model file, and the image input that its session has."""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

from dccausal._shared.files import is_folder, open_regular, sha256_of
from dccausal.errors import ModelError
from dccausal.onnx.graph.graph import Graph


@dataclass(frozen=True)
class ModelFile:
    """
    The bytes of a model.

    Attributes
    ----------
    path
        Where it was read from; None for a model given as bytes.
    data
        The file, mapped into memory: nothing is read before it is looked at.
    graph
        Its graph; None where it is not in ONNX's format.

    """

    path: Path | None
    data: memoryview
    graph: Graph | None

    @classmethod
    def read(cls, model: str | os.PathLike[str] | bytes) -> ModelFile:
        """
        Return the model of a path, or given as bytes.

        Raises
        ------
        ModelError
            If there is no such file, or nothing in it.

        """
        if isinstance(model, bytes | bytearray | memoryview):
            path, what = None, "the model given as bytes"
            data = memoryview(bytes(model))
        elif isinstance(model, str | os.PathLike):
            path = Path(model)
            what, data = str(path), _map(path)
        else:
            raise ModelError(
                f"a model was given as {type(model).__name__}; a path or the bytes of an ONNX file is needed"
            )
        if not data:
            raise ModelError(f"{what} is empty; an ONNX file is needed")
        try:
            graph = Graph.read(data)
        except ValueError:
            graph = None  # not protobuf: ONNX Runtime has its own format, and will say if this is none either
        return cls(path, data, graph)

    @property
    def what(self) -> str:
        """How errors name the model."""
        return "the model given as bytes" if self.path is None else str(self.path)

    def sha256(self) -> str:
        """Return the hash of the file as hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()

    def external_sha256(self) -> dict[str, str]:
        """Return the hashes of the files beside the model that hold its weights, by location."""
        hashes = {}
        for location in self.graph.external_files() if self.graph and self.path else ():
            file = self.path.parent / location if self.path else Path(location)
            if file.is_file():
                hashes[location] = sha256_of(file)
        return hashes


def _map(path: Path) -> memoryview:
    if is_folder(path):
        raise ModelError(f"{path} is a folder; an ONNX file is needed")
    try:
        with open_regular(path) as stream:
            if path.stat().st_size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist; the path of an ONNX file is needed") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}); an ONNX file is needed") from error
