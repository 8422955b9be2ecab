"""What ONNX Runtime does not tell about a graph: its last operation, its constants, its other files."""

from __future__ import annotations

from dataclasses import dataclass

from dccausal.onnx.graph.protobuf import read_fields, read_ints, read_text

# Numbers of the fields, from onnx.proto.
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE_INFO = 1, 5, 11, 12, 13
NODE_INPUT, NODE_OUTPUT, NODE_OP, NODE_ATTRIBUTE = 1, 2, 4, 5
ATTRIBUTE_NAME, ATTRIBUTE_INT, ATTRIBUTE_TENSOR, ATTRIBUTE_INTS, ATTRIBUTE_TYPE = 1, 3, 5, 8, 20
TENSOR_DIMS, TENSOR_TYPE, TENSOR_INT64, TENSOR_NAME, TENSOR_RAW, TENSOR_EXTERNAL = 1, 2, 7, 8, 9, 13
ENTRY_KEY, ENTRY_VALUE = 1, 2
INT64 = 7

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

    @classmethod
    def read(cls, message: memoryview) -> Node:
        """Return the node that a NodeProto describes."""
        op, inputs, outputs, attributes = "", [], [], []
        for number, value, _ in read_fields(message):
            if number == NODE_OP:
                op = read_text(value)
            elif number == NODE_INPUT:
                inputs.append(read_text(value))
            elif number == NODE_OUTPUT:
                outputs.append(read_text(value))
            elif number == NODE_ATTRIBUTE and not isinstance(value, int):
                attributes.append(value)
        return cls(op, tuple(inputs), tuple(outputs), tuple(attributes))


@dataclass(frozen=True)
class Graph:
    """The top level of a model's graph."""

    nodes: tuple[Node, ...]
    initializers: tuple[memoryview, ...]

    @classmethod
    def read(cls, model: memoryview) -> Graph:
        """
        Return the graph of a serialised ModelProto.

        Raises
        ------
        ValueError
            If the bytes are not protobuf (a model in ONNX Runtime's own format, for one).

        """
        nodes, initializers = [], []
        for number, graph, _ in read_fields(model):
            if number != MODEL_GRAPH or isinstance(graph, int):
                continue
            for part, value, _ in read_fields(graph):
                if part == GRAPH_NODE and not isinstance(value, int):
                    nodes.append(Node.read(value))
                elif part == GRAPH_INITIALIZER and not isinstance(value, int):
                    initializers.append(value)
        return cls(tuple(nodes), tuple(initializers))

    def final_op(self, output: str) -> str | None:
        """Return the operation that makes an output, past those that only hand it on; None if unknown."""
        producers = {name: node for node in self.nodes for name in node.outputs}
        seen: set[str] = set()
        while (node := producers.get(output)) is not None and output not in seen:
            seen.add(output)
            if node.op not in _PASSING_ON or not node.inputs:
                return node.op
            output = node.inputs[0]
        return None

    def external_files(self) -> list[str]:
        """Return the locations of the weights that are kept in other files, sorted."""
        entries = (
            {n: read_text(v) for n, v, _ in read_fields(value)}
            for tensor in self.initializers
            for number, value, _ in read_fields(tensor)
            if number == TENSOR_EXTERNAL and not isinstance(value, int)
        )
        return sorted({entry.get(ENTRY_VALUE, "") for entry in entries if entry.get(ENTRY_KEY) == "location"})


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
