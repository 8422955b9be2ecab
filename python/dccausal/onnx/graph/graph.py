"""What ONNX Runtime does not tell about a graph: its last operation, its constants, its other files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dccausal.onnx.graph.protobuf import Field, read_fields, read_ints, read_text

# Numbers of the fields, from onnx.proto.
MODEL_PRODUCER, MODEL_GRAPH, MODEL_FUNCTION = 2, 7, 25
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE_INFO = 1, 5, 11, 12, 13
NODE_INPUT, NODE_OUTPUT, NODE_OP, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 4, 5, 7
ATTRIBUTE_NAME, ATTRIBUTE_FLOAT, ATTRIBUTE_INT, ATTRIBUTE_TENSOR = 1, 2, 3, 5
ATTRIBUTE_FLOATS, ATTRIBUTE_INTS, ATTRIBUTE_STRINGS, ATTRIBUTE_TYPE = 7, 8, 9, 20
TENSOR_DIMS, TENSOR_TYPE, TENSOR_INT64, TENSOR_NAME, TENSOR_RAW, TENSOR_EXTERNAL = 1, 2, 7, 8, 9, 13
ENTRY_KEY, ENTRY_VALUE = 1, 2
VALUE_NAME = 1
INT64 = 7

# No image classifier comes near it. More would be a file made to keep its reader busy.
_MAX_FIELDS = 300_000

# Operations that hand scores on as they are, in another shape or type, or only some of them.
_PASSING_ON = {
    "Cast",
    "DequantizeLinear",
    "Dropout",
    "Flatten",
    "Gather",
    "Identity",
    "QuantizeLinear",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
}


@dataclass(frozen=True)
class Node:
    """One operation of the graph, its attributes left unread."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[memoryview, ...]
    domain: str = ""

    def attribute(self, name: str) -> memoryview | None:
        """Return the attribute of a name, an AttributeProto; None where the operation has none that can be read."""
        for attribute in self.attributes:
            try:
                fields = list(read_fields(attribute))
            except ValueError:
                continue
            if any(n == ATTRIBUTE_NAME and read_text(v) == name for n, v, _ in fields):
                return attribute
        return None

    def tensor(self, name: str) -> memoryview | None:
        """Return the tensor that an attribute holds; None without such an attribute."""
        attribute = self.attribute(name)
        values = () if attribute is None else read_fields(attribute)
        return next((v for n, v, _ in values if n == ATTRIBUTE_TENSOR and not isinstance(v, int)), None)

    def texts(self, name: str) -> list[str]:
        """Return the texts that an attribute holds."""
        attribute = self.attribute(name)
        values = () if attribute is None else read_fields(attribute)
        return [read_text(v) for n, v, _ in values if n == ATTRIBUTE_STRINGS]

    def ints(self, name: str) -> list[int]:
        """Return the whole numbers that an attribute holds."""
        attribute = self.attribute(name)
        values = () if attribute is None else read_fields(attribute)
        return [i for n, v, _ in values if n == ATTRIBUTE_INTS for i in read_ints(v)]

    @classmethod
    def read(cls, message: memoryview) -> Node:
        """Return the node that a NodeProto describes."""
        op, domain, inputs, outputs, attributes = "", "", [], [], []
        for number, value, _ in _few(read_fields(message)):
            if number == NODE_OP:
                op = read_text(value)
            elif number == NODE_DOMAIN:
                domain = read_text(value)
            elif number == NODE_INPUT:
                inputs.append(read_text(value))
            elif number == NODE_OUTPUT:
                outputs.append(read_text(value))
            elif number == NODE_ATTRIBUTE and not isinstance(value, int):
                attributes.append(value)
        return cls(op, tuple(inputs), tuple(outputs), tuple(attributes), domain)


@dataclass(frozen=True)
class Graph:
    """
    The top level of a model's graph.

    Attributes
    ----------
    nodes, initializers
        Its operations in their order, and its weights, each a TensorProto.
    producer
        What the exporter calls itself; empty where it does not.
    outputs
        The names of what it declares to give.
    functions
        Those that its operations may call, each a FunctionProto.
    folder
        Where the files with its weights lie; None for a model without a place.

    """

    nodes: tuple[Node, ...]
    initializers: tuple[memoryview, ...]
    producer: str = ""
    outputs: tuple[str, ...] = ()
    functions: tuple[memoryview, ...] = ()
    folder: Path | None = None

    @classmethod
    def read(cls, model: memoryview) -> Graph:
        """
        Return the graph of a serialised ModelProto.

        Raises
        ------
        ValueError
            If the bytes are not protobuf (a model in ONNX Runtime's own format, for one), or have more parts
            than any classifier.

        """
        nodes: list[Node] = []
        initializers: list[memoryview] = []
        outputs: list[str] = []
        functions: list[memoryview] = []
        producer = ""
        for number, value, _ in _few(read_fields(model)):
            if number == MODEL_PRODUCER:
                producer = read_text(value)
            elif number == MODEL_GRAPH and not isinstance(value, int):
                _read_graph(value, nodes, initializers, outputs)
            elif number == MODEL_FUNCTION and not isinstance(value, int):
                functions.append(value)
        return cls(tuple(nodes), tuple(initializers), producer, tuple(outputs), tuple(functions))

    @cached_property
    def producers(self) -> Mapping[str, Node]:
        """The operation that makes each value, by the value's name."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    @cached_property
    def consumers(self) -> Mapping[str, list[Node]]:
        """The operations that take each value, by the value's name."""
        consumers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for source in dict.fromkeys(node.inputs):
                consumers.setdefault(source, []).append(node)
        return consumers

    @cached_property
    def constants(self) -> Mapping[str, memoryview]:
        """The constants, each a TensorProto, by name: weights, and those that operations hold."""
        found = {tensor_name(tensor): tensor for tensor in self.initializers}
        for node in self.nodes:
            tensor = node.tensor("value") if node.op == "Constant" else None
            if tensor is not None:
                found.update(dict.fromkeys(node.outputs[:1], tensor))
        return found

    def final_op(self, output: str) -> str | None:
        """Return the operation that makes an output, past those that only hand it on; None if unknown."""
        node = self.final_node(output)
        return None if node is None else node.op

    def final_node(self, output: str) -> Node | None:
        """Return the operation that makes an output, past those that only hand it on; None if unknown."""
        seen: set[str] = set()
        while (node := self.producers.get(output)) is not None and output not in seen:
            seen.add(output)
            if node.op not in _PASSING_ON or not node.inputs:
                return node
            output = node.inputs[0]
        return None

    def sources(self, output: str) -> frozenset[str]:
        """Return the names of all values that an output is computed from."""
        seen: set[str] = set()
        waiting = [output]
        while waiting:
            node = self.producers.get(waiting.pop())
            for name in () if node is None else node.inputs:
                if name not in seen:
                    seen.add(name)
                    waiting.append(name)
        return frozenset(seen)

    def external_files(self) -> list[str]:
        """Return the locations of the weights that are kept in other files, sorted."""
        return sorted({location for tensor in self.initializers for location in _locations(tensor)})


def _locations(tensor: memoryview) -> list[str]:
    """Return where a TensorProto keeps its values; nowhere where it has them, or is damaged."""
    try:
        told = external_place(tensor)
    except ValueError:
        return []
    return [told["location"]] if "location" in told else []


def external_place(tensor: memoryview) -> dict[str, str]:
    """Return where a TensorProto keeps its values, by key: location, offset, length; raises ValueError if damaged."""
    entries = [
        {n: read_text(v) for n, v, _ in read_fields(value)}
        for number, value, _ in read_fields(tensor)
        if number == TENSOR_EXTERNAL and not isinstance(value, int)
    ]
    return {entry.get(ENTRY_KEY, ""): entry.get(ENTRY_VALUE, "") for entry in entries}


def _read_graph(
    graph: memoryview, nodes: list[Node], initializers: list[memoryview], outputs: list[str]
) -> None:
    """Append the graph's operations, weights and the names of its outputs."""
    n_fields = 0
    for part, value, _ in _few(read_fields(graph)):
        if part == GRAPH_NODE and not isinstance(value, int):
            node = Node.read(value)
            n_fields += 1 + len(node.inputs) + len(node.outputs) + len(node.attributes)
            nodes.append(node)
        elif part == GRAPH_INITIALIZER and not isinstance(value, int):
            initializers.append(value)
        elif part == GRAPH_OUTPUT and not isinstance(value, int):
            outputs.append(value_name(value))
        if n_fields > _MAX_FIELDS:
            raise ValueError(f"the graph has more than {_MAX_FIELDS} parts")


def _few(fields: Iterable[Field]) -> Iterator[Field]:
    """Hand on the fields, and raise ValueError where they are more than any classifier has."""
    for n_fields, field in enumerate(fields):
        if n_fields == _MAX_FIELDS:
            raise ValueError(f"a message has more than {_MAX_FIELDS} fields")
        yield field


def value_name(value: memoryview) -> str:
    """Return the name of a ValueInfoProto."""
    return next((read_text(v) for number, v, _ in read_fields(value) if number == VALUE_NAME), "")


def tensor_name(tensor: memoryview) -> str:
    """Return the name of a TensorProto; none of a damaged one."""
    try:
        return next(
            (read_text(value) for number, value, _ in read_fields(tensor) if number == TENSOR_NAME), ""
        )
    except ValueError:
        return ""


def read_int64s(tensor: memoryview) -> tuple[str, list[int]] | None:
    """Return the name and the values of a one-dimensional int64 TensorProto; None for any other tensor."""
    name, dims, kind, values = "", [], 0, []
    for number, value, _ in read_fields(tensor):
        if number == TENSOR_DIMS:
            dims += read_ints(value)
        elif number == TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == TENSOR_NAME:
            name = read_text(value)
        elif number == TENSOR_INT64:
            values += read_ints(value)
        elif number == TENSOR_RAW and not isinstance(value, int) and len(value) % 8 == 0:
            raw = bytes(value)
            values = [int.from_bytes(raw[i : i + 8], "little", signed=True) for i in range(0, len(raw), 8)]
        if kind not in (0, INT64) or len(dims) > 1:
            return None
    return (name, values) if kind == INT64 and dims == [len(values)] else None
