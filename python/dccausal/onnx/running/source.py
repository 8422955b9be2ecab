"""Where a session's model came from, so that another process can open it again: a forked one, or one that unpickles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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

    def read(self) -> str | bytes:
        """
        Return what ONNX Runtime is to open.

        Raises
        ------
        ModelError
            If the file is not there any more, or is another one by now.

        """
        if self.freed is None and isinstance(self.model, bytes):
            return self.model
        file = ModelFile.read(self.model)
        self.check(file.sha256())
        if self.freed is None or file.graph is None:
            return str(self.model)
        return free_batch(file.data, file.graph, *self.freed)

    def check(self, sha256: str) -> None:
        """Check that a file is still the one that was loaded; raises what ``read`` raises."""
        if sha256 != self.sha256:
            raise ModelError(
                f"{self.model if isinstance(self.model, Path) else 'the model'} has changed since it was loaded; "
                "the same file is needed to open it in another process"
            )
