"""
Choices within a graph.

Exporters ask at run time what they could not see, such as whether an axis has size 1 and may be dropped. Where the
answer is the same for all images, the branch that is taken is put in the place of the choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dccausal.gradients.trials import has_graph, image_free, trial_shapes


def take_branches(model: Any, image: str, size: tuple[int, int] | None) -> None:
    """
    Put branches in the place of choices whose answer does not depend on the images.

    Parameters
    ----------
    model
        A ModelProto, changed in place. Choices that depend on the images stay.
    image
        Name of the image input.
    size
        (height, width) of the images, where the model leaves them open.

    """
    while known := _answers(model, image, size):
        nodes = list(model.graph.node)
        del model.graph.node[:]
        for node in nodes:
            is_known = node.op_type == "If" and node.input[0] in known
            model.graph.node.extend(_branch(model, node, known[node.input[0]]) if is_known else [node])


def _branch(model: Any, node: Any, answer: Any) -> Iterator[Any]:
    """Yield the nodes of the branch that is taken, under names that no other branch has."""
    from onnx import helper

    name = "then_branch" if answer else "else_branch"
    (graph,) = [attribute.g for attribute in node.attribute if attribute.name == name]
    own = [*(tensor.name for tensor in graph.initializer), *(o for inner in graph.node for o in inner.output)]
    _rename(graph, {inner: f"{node.output[0]}::{inner}" for inner in filter(None, own)})
    model.graph.initializer.extend(graph.initializer)
    yield from graph.node
    for inner, outer in zip(graph.output, node.output, strict=True):
        yield helper.make_node("Identity", [inner.name], [outer], f"{node.name}::{outer}")


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    """Rename tensors of a GraphProto, also where graphs inside of it read them."""
    for named in (*graph.initializer, *graph.output):
        named.name = names.get(named.name, named.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g, names)


def _answers(model: Any, image: str, size: tuple[int, int] | None) -> Mapping[str, bool]:
    """Return the conditions of choices that are the same for all images, as the model answers them."""
    free = image_free(model.graph)
    asked = {
        node.input[0]: _makers(model, node.input[0]) for node in model.graph.node if node.op_type == "If"
    }
    asked = {
        name: makers
        for name, makers in asked.items()
        if name in free and not any(has_graph(node) for node in makers)
    }
    if not asked:
        return {}
    runs = list(_run(model, image, size, asked))
    return {
        name: bool(first)
        for name, first, *others in zip(asked, *runs, strict=True)
        if all(bool(other) == bool(first) for other in others)
    }


def _makers(model: Any, name: str) -> list[Any]:
    wanted, kept = {name}, []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def _run(
    model: Any, image: str, size: tuple[int, int] | None, asked: Mapping[str, list[Any]]
) -> Iterator[list[Any]]:
    """Yield what some conditions are, for images of each shape that may tell them apart."""
    import onnx
    import onnxruntime as ort

    needed = {name for makers in asked.values() for node in makers for name in node.output}
    part = onnx.ModelProto()
    part.CopyFrom(model)
    nodes = [node for node in part.graph.node if needed & set(node.output)]
    del part.graph.node[:], part.graph.output[:]
    part.graph.node.extend(nodes)
    for index, name in enumerate(asked):
        part.graph.node.append(onnx.helper.make_node("Identity", [name], [f"{name}::{index}"]))
        part.graph.output.append(onnx.ValueInfoProto(name=f"{name}::{index}"))
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(part.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (given,) = [value for value in session.get_inputs() if value.name == image]
    for shape in trial_shapes(given.shape, size):
        yield session.run(None, {image: np.zeros(shape, np.float32)})
