"""
Outputs that are no tensor of scores (a list of maps, the best few, texts), replaced by the value they are made from.

Exporters end a model in operations for people: ZipMap makes a map of each row, TopK keeps the best few, ReduceMax the
best score beside its label, LabelEncoder names a label. What goes into them is what is to be explained; it is in the
graph, and only has to be declared.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dccausal.onnx.graph import graph as og
from dccausal.onnx.graph.protobuf import read_fields, write_bytes

_PAIR = 2
_PASSING = ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze")


@dataclass(frozen=True)
class Unwrapped:
    """
    A model with other outputs.

    Attributes
    ----------
    model
        The serialised model; None where nothing had to be changed.
    renamed
        What is given now, by what was declared.
    names
        Class names that the replaced operations held, by the name of the output.
    notes
        Sentences about what was replaced.

    """

    model: bytes | None = None
    renamed: dict[str, str] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def names_of(self, output: str, n_classes: int | None) -> tuple[str, ...] | None:
        """Return the names of an output's columns, or of labels that are as many; None without."""
        fitting = (names for names in self.names.values() if len(names) == n_classes)
        return self.names.get(output) or next(fitting, None)


def unwrap(model: memoryview, graph: og.Graph) -> Unwrapped:
    """Return the model with each output that is made for people replaced by what it is made from."""
    renamed: dict[str, str] = {}
    names: dict[str, tuple[str, ...]] = {}
    notes: dict[str, str] = {}
    # A detector has boxes besides.
    labelled = (
        {_labelled(graph, output) for output in graph.outputs} if len(graph.outputs) == _PAIR else set()
    )
    for output in graph.outputs:
        node = _maker(graph, output)
        if node is None or not node.inputs:
            continue
        source = node.inputs[0]
        if node.op == "ZipMap":
            names[source] = tuple(node.texts("classlabels_strings"))
            notes[source] = (
                f"the output {output!r} is a list of maps; the scores that they are made from are taken"
            )
        elif node.op == "TopK":
            notes[source] = (
                f"the output {output!r} has only the best few (TopK); the scores before it are taken"
            )
        elif node.op == "LabelEncoder":
            names[source] = _encoded(node)
        elif node.op == "ReduceMax" and source in labelled:
            notes[source] = (
                f"the output {output!r} has the score of the best label only; the scores before it are taken"
            )
        else:
            continue
        renamed[output] = source
    if not renamed:
        return Unwrapped()
    names = {name: found for name, found in names.items() if found}
    return Unwrapped(_declaring(model, graph, renamed), renamed, names, tuple(notes.values()))


def _labelled(graph: og.Graph, output: str) -> str | None:
    """Return the scores that an output with labels, or their names, is made from; None for another output."""
    node = _maker(graph, output)
    if node is not None and node.op == "LabelEncoder" and node.inputs:
        node = _maker(graph, node.inputs[0])
    return node.inputs[0] if node is not None and node.op == "ArgMax" and node.inputs else None


def _maker(graph: og.Graph, output: str) -> og.Node | None:
    seen: set[str] = set()
    while (node := graph.producers.get(output)) is not None and output not in seen:
        seen.add(output)
        if node.op not in _PASSING or not node.inputs:
            return node
        output = node.inputs[0]
    return None


def _encoded(node: og.Node) -> tuple[str, ...]:
    """Return the names that LabelEncoder gives the labels 0, 1, 2, ...; none where it has others."""
    keys, texts = node.ints("keys_int64s"), node.texts("values_strings") or node.texts("classes_strings")
    if keys and sorted(keys) != list(range(len(texts))):
        return ()
    by_key = dict(zip(keys or range(len(texts)), texts, strict=True))
    return tuple(by_key[i] for i in range(len(texts)))


def _declaring(model: memoryview, graph: og.Graph, renamed: dict[str, str]) -> bytes:
    """Return the model with the outputs renamed; their types are left to ONNX Runtime, which infers them."""
    kept = [name for name in graph.outputs if name not in renamed]
    added = [name for name in dict.fromkeys(renamed.values()) if name not in kept]

    def change_graph(message: memoryview) -> bytes:
        parts = [
            bytes(raw)
            for number, value, raw in read_fields(message)
            if number != og.GRAPH_OUTPUT or isinstance(value, int) or og.value_name(value) not in renamed
        ]
        declared = (write_bytes(og.VALUE_NAME, name.encode()) for name in added)
        return b"".join([*parts, *(write_bytes(og.GRAPH_OUTPUT, value) for value in declared)])

    parts = []
    for number, value, raw in read_fields(model):
        is_graph = number == og.MODEL_GRAPH and not isinstance(value, int)
        parts.append(write_bytes(og.MODEL_GRAPH, change_graph(value)) if is_graph else bytes(raw))  # type: ignore[arg-type]
    return b"".join(parts)
