"""Where a session's model came from, so that another process can open it again: a forked one, or one that unpickles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dccausal.errors import ModelError
from dccausal.onnx.graph.free_batch import free_batch
from dccausal.onnx.model_file import ModelFile


@dataclass(frozen=True)
class Source:
    """
    A model, as a session was opened from it.

    Attributes
    ----------
    model
        The path of its file; or its bytes, where it was given so.
    sha256
        Of these bytes.
    freed
        Where a fixed batch was freed: the name of the input, and the number of images it had been fixed to.

    """

    model: Path | bytes
    sha256: str
    freed: tuple[str, int] | None = None

    @classmethod
    def of(cls, file: ModelFile, freed: tuple[str, int] | None) -> Source:
        """Return where a file's session came from; a file that has a path is not kept in memory."""
        model = bytes(file.data) if file.path is None else file.path.absolute()
        return cls(model, file.sha256(), freed)

    def read(self) -> tuple[str | bytes, Path | None]:
        """
        Return what ONNX Runtime is to open, and the folder of the weights beside it.

        Raises
        ------
        ModelError
            If the file is not there any more, or is another one by now.

        """
        file = ModelFile.read(self.model)
        self.check(file.sha256())
        if self.freed is None or file.graph is None:
            return file.source, file.folder
        return free_batch(file.model, file.graph, *self.freed), file.folder

    def check(self, sha256: str) -> None:
        """Check that a file is still the one that was loaded; raises what ``read`` raises."""
        if sha256 != self.sha256:
            raise ModelError(
                f"{self.model if isinstance(self.model, Path) else 'the model'} has changed since it was loaded; "
                "the same file is needed to open it in another process"
            )


def reopened(
    kind: Callable[..., Any], source: Source, arguments: Mapping[str, Any], batch_size_reason: str
) -> Any:
    """
    Return a classifier that was pickled.

    Raises
    ------
    ModelError
        If its file is not there any more, or is another one by now.

    """
    classifier = kind(source.model, **arguments)
    source.check(classifier.sha256)
    classifier.batch_size_reason = batch_size_reason
    return classifier
