"""One operation of a graph, with its attributes as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Node:
    """
    An operation of the forward graph.

    Attributes
    ----------
    op
        Its type, ``Conv`` for one; those of another domain than ONNX's own have it in front, with a colon.
    name
        As its exporter called it, or the name of its first output.
    inputs, outputs
        Names of tensors; the empty name stands for one that is left out.
    attributes
        Plain values: numbers, strings, lists of them, and TensorProtos.

    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, proto: Any) -> Node:
        """Return the node that a NodeProto describes."""
        from onnx import helper

        def plain(value: Any) -> Any:
            return value.decode() if isinstance(value, bytes) else value

        attributes = {a.name: plain(helper.get_attribute_value(a)) for a in proto.attribute}
        is_own = proto.domain in ("", "ai.onnx")
        return cls(
            proto.op_type if is_own else f"{proto.domain}:{proto.op_type}",
            proto.name or next(iter(proto.output), ""),
            tuple(proto.input),
            tuple(proto.output),
            attributes,
        )

    def input(self, index: int) -> str:
        """Return the name of an input, empty where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or the default."""
        return self.attributes.get(name, default)

    def __str__(self) -> str:
        """Return the operation and its name, as errors say it."""
        return f"{self.op} {self.name!r}"
