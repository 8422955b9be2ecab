"""A model file, and the image input that its session has."""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from dccausal._shared.files import is_folder, open_regular, sha256_of
from dccausal.errors import ModelError
from dccausal.onnx.file_kinds import is_lfs_pointer, what_it_is
from dccausal.onnx.graph.expose import Unwrapped, unwrap
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
    unwrapped
        What was changed in a copy in memory, which is what is opened: outputs that are made for people.

    """

    path: Path | None
    data: memoryview
    graph: Graph | None
    unwrapped: Unwrapped = field(default_factory=Unwrapped)

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
        kind = what_it_is(data)
        if kind is not None:
            raise ModelError(f"{what} is {kind[0]}; an ONNX image classifier is needed ({kind[1]})")
        folder = None if path is None else path.absolute().parent
        file = cls(path, data, _graph(data, folder))
        if file.graph is not None:
            try:
                unwrapped = unwrap(data, file.graph)
            except ValueError:
                return file  # damaged, as ONNX Runtime will say
            if unwrapped.model is not None:
                return replace(file, graph=_graph(memoryview(unwrapped.model), folder), unwrapped=unwrapped)
        return file

    @property
    def source(self) -> str | bytes:
        """What a session is opened from: the path, or the bytes of a model that has none or was changed."""
        if self.unwrapped.model is not None:
            return self.unwrapped.model
        return bytes(self.data) if self.path is None else str(self.path)

    @property
    def model(self) -> memoryview:
        """The bytes of what is opened."""
        return self.data if self.unwrapped.model is None else memoryview(self.unwrapped.model)

    @property
    def folder(self) -> Path | None:
        """The folder of the weights that lie beside the model; None for a model given as bytes."""
        return None if self.path is None else self.path.absolute().parent

    def check_weights(self) -> None:
        """
        Check that the files beside the model, which hold its weights, are what they should be.

        Raises
        ------
        ModelError
            If one is a pointer of Git LFS.

        """
        for location in self.graph.external_files() if self.graph and self.path else ():
            file = (self.folder or Path()) / location
            try:
                if not file.is_file():  # a device would be read for ever; ONNX Runtime says what is missing
                    continue
                with file.open("rb") as stream:
                    head = stream.read(64)
            except (OSError, ValueError):
                continue
            if is_lfs_pointer(head):
                raise ModelError(
                    f"{self.what} keeps weights in {location}, which is a pointer of Git LFS, not the file itself; "
                    "git lfs pull fetches it"
                )

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


def _graph(data: memoryview, folder: Path | None) -> Graph | None:
    try:
        return replace(Graph.read(data), folder=folder)
    except ValueError:
        return None  # not protobuf: ONNX Runtime has its own format, and will say if this is none either


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
