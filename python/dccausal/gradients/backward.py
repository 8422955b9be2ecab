"""
The backward pass: from the gradient of the output, rule by rule, to the gradients of what was asked about.

The result is a model of ordinary operations: image and target in, logits and gradient out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dccausal.errors import ModelError, OptionError
from dccausal.gradients.nodes import Node
from dccausal.gradients.rules import FLAT, RuleBook
from dccausal.gradients.sample import Sample
from dccausal.gradients.source import Source
from dccausal.gradients.tape import PREFIX, Tape

_OLDEST_IR = 8
_TO_NUMBERS = {1, 10, 11, 16}  # ONNX's types of floating point


@dataclass
class Backward:
    """
    A backward pass that is written.

    Attributes
    ----------
    source, tape
        The forward pass, and what was written behind it.
    target
        Name of the input that says which output is meant, int64 (N,).
    logits
        Name of the outputs, (N, n_classes).
    handed
        For each tensor that was reached, the name of what was handed back to it.

    """

    source: Source
    tape: Tape
    target: str
    logits: str
    handed: Mapping[str, str]


def find_active(source: Source, starts: Sequence[str]) -> frozenset[str]:
    """Return the tensors through which the output depends on the starts, in numbers that have a derivative."""
    active = set(starts)
    for node in source.nodes:
        if any(name in active for name in node.inputs) and not _is_flat(node):
            active.update(filter(None, node.outputs))
    reaching = {source.output}
    for node in reversed(source.nodes):
        if reaching & set(node.outputs) and not _is_flat(node):
            reaching.update(node.inputs)
    return frozenset(active & reaching)


def _is_flat(node: Node) -> bool:
    return node.op in FLAT or (node.op == "Cast" and node.get("to") not in _TO_NUMBERS)


def check_rules(source: Source, book: RuleBook, active: frozenset[str]) -> None:
    """
    Do nothing if there is a rule for every operation that is in the way.

    Raises
    ------
    ModelError
        If one has none; its text names the operation and its node.

    """
    if source.output not in active:
        raise ModelError(
            f"the output {source.output!r} has no {book.what}: between it and {source.image!r} all numbers are "
            "rounded or compared; choose another output"
        )
    for node in source.nodes:
        if active & set(node.outputs) and active & set(node.inputs) and book.find(node.op) is None:
            raise no_rule(node, book)


def no_rule(node: Node, book: RuleBook) -> ModelError:
    """Return the error that says that an operation has no rule."""
    return ModelError(
        f"{node} has no rule for the {book.what}; export the model without it (opset 17 or later, fused and custom "
        "operations off), or take a method that only runs the model, such as rise or dc-causal"
    )


def write_backward(
    source: Source, sample: Sample, book: RuleBook, starts: Sequence[str], *, weigh: bool = False
) -> Backward:
    """
    Write the backward pass.

    Parameters
    ----------
    source, sample
        The forward pass, and what its tensors are like.
    book
        The rules.
    starts
        Names of the tensors that something is asked about: the image, or a layer.
    weigh
        Whether the output itself is handed back, as relevance begins with, in place of 1.

    Raises
    ------
    ModelError
        If an operation has no rule, or its rule does not fit its node.
    OptionError
        If the output does not depend on one of the starts.

    """
    active = find_active(source, starts)
    if not book.stops:
        check_rules(source, book, active)
    tape = Tape(sample, source.opset, active)
    target, logits, seed = _begin(source, tape, weigh=weigh)
    waiting: dict[str, list[str]] = {source.output: [seed]}
    handed: dict[str, str] = {}
    for node in reversed(source.nodes):
        gradients = [_settle(tape, name, waiting, handed) for name in node.outputs]
        if all(g is None for g in gradients) or not active & set(node.inputs):
            continue
        if book.find(node.op) is None:
            raise no_rule(node, book)
        for name, g in zip(node.inputs, book.apply(tape, node, gradients), strict=True):
            if g is not None and name in active:
                waiting.setdefault(name, []).append(g)
    for name in starts:
        if _settle(tape, name, waiting, handed) is None:
            raise OptionError(f"the output {source.output!r} does not depend on {name!r}")
    return Backward(source, tape, target, logits, handed)


def _settle(tape: Tape, name: str, waiting: dict[str, list[str]], handed: dict[str, str]) -> str | None:
    """Add up what was handed to a tensor."""
    parts = waiting.pop(name, None)
    if parts:
        handed[name] = parts[0] if len(parts) == 1 else tape.op("Sum", *parts)
    return handed.get(name)


def _begin(source: Source, tape: Tape, *, weigh: bool) -> tuple[str, str, str]:
    """Return the names of the target, of the logits in rows, and of the gradient of the output."""
    output = source.output
    shape = tape.shape(output)
    rows = (
        tape.op("Reshape", output, tape.constant([-1, 1])) if len(shape) == 1 else tape.op("Flatten", output)
    )
    target, like = "target", source.output
    n_columns = math.prod(n or 0 for n in shape[1:])
    if n_columns < 1:
        raise ModelError(f"the output {output!r} has {shape} numbers; a fixed number of classes is needed")
    if n_columns == 1:
        sign = tape.op("Sub", tape.op("Mul", target, tape.constant(2)), tape.constant(1))
        chosen = tape.op("Reshape", tape.cast(sign, like), tape.constant([-1, 1]))
    else:
        values = tape.constant([0, 1], tape.float_dtype(like))
        chosen = tape.op("OneHot", target, tape.constant(n_columns), values, axis=-1)
    if weigh:
        chosen = tape.op("Mul", chosen, rows)
    seed = chosen if len(shape) == 2 else tape.reshape_like(chosen, output)  # noqa: PLR2004
    return target, rows, seed


def assemble(backward: Backward, outputs: Mapping[str, tuple[str, str]]) -> Any:
    """
    Return the model of both passes.

    Parameters
    ----------
    backward
        The backward pass. Its source's model is used up: what is returned is the same ModelProto, so that its weights
        are in memory once.
    outputs
        Names of outputs; for each the tensor that it is, and a tensor of the forward pass of the same shape ("" for
        the logits in rows).

    """
    from onnx import TensorProto, helper

    source, tape = backward.source, backward.tape
    model, graph = source.model, source.model.graph
    for proto in graph.node:
        wanted = tape.extra_outputs.get(proto.output[0]) if proto.output else None
        if wanted is not None:
            proto.output[:] = wanted
    graph.node.extend(tape.nodes)
    graph.initializer.extend(tape.initializers)
    del graph.output[:]
    kind = TensorProto.DOUBLE if tape.float_dtype(source.output) == "float64" else TensorProto.FLOAT
    batch = _dims(backward, source.image)[0]
    for name, (tensor, like) in outputs.items():
        dims = (
            _dims(backward, like)
            if like
            else [batch, math.prod(n or 1 for n in tape.shape(source.output)[1:])]
        )
        graph.node.append(helper.make_node("Identity", [tensor], [name], f"{PREFIX}{name}"))
        graph.output.append(helper.make_tensor_value_info(name, kind, dims))
    graph.input.append(helper.make_tensor_value_info(backward.target, TensorProto.INT64, [batch]))
    _keep_needed(graph, set(outputs))
    del graph.value_info[:]
    model.ir_version = max(model.ir_version, _OLDEST_IR)
    return model


def _dims(backward: Backward, name: str) -> list[int | str]:
    """Return a tensor's dimensions as a model declares them: those of the image as they are, numbers, or names."""
    source, shape = backward.source, backward.tape.shape(name)
    (image,) = source.model.graph.input[:1]
    declared = [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim]
    if name == source.image:
        return [
            d if d and n is None else (n or f"side_{axis}")
            for axis, (d, n) in enumerate(zip(declared, shape, strict=True))
        ]
    return [
        n if n is not None else (declared[0] or "batch") if axis == 0 else f"side_{axis}"
        for axis, n in enumerate(shape)
    ]


def _keep_needed(graph: Any, wanted: set[str]) -> None:
    """Drop the operations and constants that no output needs."""
    kept = []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted.update(node.input)
    if len(kept) < len(graph.node):
        kept.reverse()
        del graph.node[:]
        graph.node.extend(kept)
    unused = [i for i, tensor in enumerate(graph.initializer) if tensor.name not in wanted]
    for index in reversed(unused):
        del graph.initializer[index]
