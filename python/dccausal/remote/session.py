"""A model on a server as what reads models knows it: a session with inputs, outputs and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from dccausal.errors import ModelError
from dccausal.remote.client import Client

# The protocol's names of types, as ONNX Runtime calls them.
_TYPES = {
    "FP16": "float16",
    "FP32": "float",
    "FP64": "double",
    "BOOL": "bool",
    "BYTES": "string",
    **{f"{sign}INT{bits}": f"{sign.lower()}int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True)
class Node:
    """
    An input or output: its name, "tensor(float)", and a shape with None for what is open.

    Attributes
    ----------
    name, type, shape
        As ONNX Runtime has them.

    """

    name: str
    type: str
    shape: tuple[int | None, ...]

    @classmethod
    def of(cls, told: Any) -> Node:
        """
        Read what a server says of an input or output.

        Raises
        ------
        ModelError
            If it is something else.

        """
        try:
            sides = tuple(int(side) for side in told.get("shape", ()))
            kind = _TYPES.get(told["datatype"], str(told["datatype"]).lower())
            return cls(str(told["name"]), f"tensor({kind})", tuple(s if s > 0 else None for s in sides))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"the server says of an input or output {told!r:.200}; its name, datatype and shape are needed"
            ) from error


@dataclass(frozen=True)
class _Metadata:
    custom_metadata_map: Mapping[str, str] = field(default_factory=dict)


class RemoteSession:
    """
    What is known of a model on a server, and its runs.

    Parameters
    ----------
    client
        Asks the server.
    metadata
        What it said of the model.

    Raises
    ------
    ModelError
        If that is not enough: no inputs, or no outputs.

    """

    def __init__(self, client: Client, metadata: Mapping[str, Any]) -> None:
        """Read the metadata."""
        self._client = client
        self._inputs = _nodes(client, metadata, "inputs")
        self._outputs = _nodes(client, metadata, "outputs")
        more = metadata.get("parameters")
        told = more if isinstance(more, dict) else {}
        self._metadata = _Metadata({str(key): value for key, value in told.items() if isinstance(value, str)})

    def get_inputs(self) -> Sequence[Node]:
        """Return the model's inputs."""
        return self._inputs

    def get_outputs(self) -> Sequence[Node]:
        """Return the model's outputs."""
        return self._outputs

    def get_overridable_initializers(self) -> Sequence[Node]:
        """Return nothing: a server has no such inputs."""
        return ()

    def get_modelmeta(self) -> _Metadata:
        """Return the texts among the model's parameters, by name."""
        return self._metadata

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the outputs of these names, or all; raises what ``Client.infer`` raises."""
        return self._client.infer(feeds, list(names or [node.name for node in self._outputs]))


def _nodes(client: Client, metadata: Mapping[str, Any], part: str) -> tuple[Node, ...]:
    told = metadata.get(part)
    if not isinstance(told, list) or not told:
        raise ModelError(
            f"{client.address.url}: the server does not say what {part} the model has; names, datatypes and shapes "
            "in the model's metadata are needed"
        )
    return tuple(Node.of(one) for one in told)
