"""Functions of a model, written out where they are called: exporters may keep a module of PyTorch's as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dccausal.onnx.graph.graph import Graph, Node
from dccausal.onnx.graph.protobuf import read_fields, read_text

_NAME, _INPUT, _OUTPUT, _NODE, _DOMAIN = 1, 4, 5, 7, 10
_MOST_CALLS = 20_000  # and operations: functions that call each other may stand for any number
_MOST_DEEP = 32


@dataclass(frozen=True)
class _Function:
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]


def written_out(graph: Graph) -> Graph:
    """
    Return the graph with the operations of functions in place of their calls; itself where there are none.

    It is for reading: an attribute that a function is given by its caller stays unread. A graph that would become
    far larger than any classifier's is returned as it is.
    """
    if not graph.functions:
        return graph
    try:
        calls = _Calls(dict(map(_read, graph.functions)))
        nodes = [part for i, node in enumerate(graph.nodes) for part in calls.written(node, f"{i}", 0)]
    except ValueError:
        return graph
    return replace(graph, nodes=tuple(nodes), functions=())


def _read(message: memoryview) -> tuple[tuple[str, str], _Function]:
    """Return the domain and the name of a FunctionProto, and what it does."""
    texts: dict[int, list[str]] = {_NAME: [], _DOMAIN: [], _INPUT: [], _OUTPUT: []}
    nodes = []
    for number, value, _ in read_fields(message):
        if number in texts:
            texts[number].append(read_text(value))
        elif number == _NODE and not isinstance(value, int):
            nodes.append(Node.read(value))
    key = ("".join(texts[_DOMAIN]), "".join(texts[_NAME]))
    return key, _Function(tuple(texts[_INPUT]), tuple(texts[_OUTPUT]), tuple(nodes))


@dataclass
class _Calls:
    """The functions by domain and name, and how many operations have been looked at."""

    functions: Mapping[tuple[str, str], _Function]
    n: int = 0

    def written(self, node: Node, place: str, depth: int) -> Iterator[Node]:
        """Yield what an operation stands for: itself, or those of a function, whose values get names at ``place``."""
        self.n += 1
        if self.n > _MOST_CALLS or depth > _MOST_DEEP:
            raise ValueError("the functions stand for more operations than any classifier has")
        function = self.functions.get((node.domain, node.op)) if node.domain else None
        if function is None:
            yield node
            return
        names = {"": ""}
        names.update(zip(function.inputs, node.inputs, strict=False))
        names.update(zip(function.outputs, node.outputs, strict=False))
        for i, inner in enumerate(function.nodes):
            inputs, outputs = (
                tuple(names.setdefault(name, f"{place}/{name}") for name in side)
                for side in (inner.inputs, inner.outputs)
            )
            part = replace(inner, inputs=inputs, outputs=outputs)
            yield from self.written(part, f"{place}/{i}", depth + 1)
