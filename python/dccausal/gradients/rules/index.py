"""Operations that take by index: the gradient is added up where they took from."""

from __future__ import annotations

from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.book import rule
from dccausal.gradients.tape import Tape


@rule("Gather")
def _gather(tape: Tape, node: Node, g: str) -> str:
    x, indices = node.inputs[0], node.inputs[1]
    rank = tape.rank(x)
    axis = node.get("axis", 0) % rank
    value, size = tape.value(indices), tape.shape(x)[axis]
    if tape.rank(indices) == 0:
        g = tape.op("Unsqueeze", g, tape.constant([axis]))
    if value is not None and value.size == 1 and size is not None and tape.rank(indices) <= 1:
        at = int(value.ravel()[0]) % size
        pads = [0] * (2 * rank)
        pads[axis], pads[rank + axis] = at, size - 1 - at
        return tape.op("Pad", g, tape.constant(pads), tape.number(0.0, x))
    flat = tape.op("Reshape", indices, tape.constant([-1]))
    if tape.rank(indices) > 1:
        g = tape.op("Reshape", g, _joined(tape, x, flat, axis))
    places = tape.op("Reshape", flat, tape.constant([-1] + [1] * (rank - 1 - axis)))
    places = tape.op("Expand", places, tape.op("Shape", g))
    return tape.op("ScatterElements", tape.zeros_like(x), places, g, axis=axis, reduction="add")


def _joined(tape: Tape, x: str, flat: str, axis: int) -> str:
    """Return the shape of what was gathered, with one axis for all indices."""
    sizes = [tape.dimension(x, at) for at in range(tape.rank(x))]
    sizes[axis] = tape.op("Shape", flat)
    return tape.op("Concat", *sizes, axis=0)


@rule("GatherElements")
def _gather_elements(tape: Tape, node: Node, g: str) -> str:
    x, indices = node.inputs
    axis = node.get("axis", 0)
    return tape.op("ScatterElements", tape.zeros_like(x), indices, g, axis=axis, reduction="add")


@rule("GatherND")
def _gather_nd(tape: Tape, node: Node, g: str) -> str | None:
    x, indices = node.inputs
    if node.get("batch_dims", 0):
        return _gather_in_rows(tape, node, g)
    return tape.op("ScatterND", tape.zeros_like(x), indices, g, reduction="add")


def _gather_in_rows(tape: Tape, node: Node, g: str) -> str:
    """Each batch has indices of its own: the places of the batches are written before them."""
    x, indices = node.inputs
    n_batch, rank = node.get("batch_dims"), tape.rank(indices)
    sizes = [*(tape.dimension(indices, axis) for axis in range(rank - 1)), tape.constant([1])]
    whole = tape.op("Concat", *sizes, axis=0)
    places = []
    for axis in range(n_batch):
        n = tape.op("Squeeze", sizes[axis], tape.constant([0]))
        counted = tape.op("Range", tape.constant(0), n, tape.constant(1))
        along = tape.op("Reshape", counted, tape.constant([-1 if at == axis else 1 for at in range(rank)]))
        places.append(tape.op("Expand", along, whole))
    full = tape.op("Concat", *places, indices, axis=-1)
    return tape.op("ScatterND", tape.zeros_like(x), full, g, reduction="add")


@rule("ScatterElements")
def _scatter_elements(tape: Tape, node: Node, g: str) -> list[str | None]:
    _, indices, updates = node.inputs
    axis = node.get("axis", 0)
    taken = tape.op("GatherElements", g, indices, axis=axis)
    if node.get("reduction", "none") == "add":
        return [g, None, taken]
    nothing = tape.zeros_like(updates)
    return [tape.op("ScatterElements", g, indices, nothing, axis=axis), None, taken]


@rule("ScatterND")
def _scatter_nd(tape: Tape, node: Node, g: str) -> list[str | None]:
    _, indices, updates = node.inputs
    taken = tape.op("GatherND", g, indices)
    if node.get("reduction", "none") == "add":
        return [g, None, taken]
    return [tape.op("ScatterND", g, indices, tape.zeros_like(updates)), None, taken]


@rule("ReverseSequence")
def _reverse_sequence(tape: Tape, node: Node, g: str) -> str:
    """Do the same again, which undoes it."""
    return tape.op("ReverseSequence", g, node.inputs[1], **node.attributes)
