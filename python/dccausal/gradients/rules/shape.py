"""Operations that move numbers without changing them: the gradient goes the way back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dccausal.errors import ModelError
from dccausal.gradients.nodes import Node
from dccausal.gradients.rules.book import rule
from dccausal.gradients.tape import Tape


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _reshape(tape: Tape, node: Node, g: str) -> str:
    return tape.reshape_like(g, node.inputs[0], of=node.outputs[0])


@rule("Transpose")
def _transpose(tape: Tape, node: Node, g: str) -> str:
    perm = node.get("perm") or list(reversed(range(tape.rank(node.inputs[0]))))
    return tape.op("Transpose", g, perm=[perm.index(axis) for axis in range(len(perm))])


@rule("Concat")
def _concat(tape: Tape, node: Node, g: str) -> list[str | None]:
    axis = node.get("axis") % tape.rank(node.outputs[0])
    if len(node.inputs) == 1:
        return [g]
    sizes = [tape.dimension(name, axis) for name in node.inputs]
    known = [tape.shape(name)[axis] for name in node.inputs]
    split = tape.constant(known) if None not in known else tape.op("Concat", *sizes, axis=0)
    return [*tape.outputs("Split", g, split, n=len(node.inputs), axis=axis)]


@rule("Split")
def _split(tape: Tape, node: Node, *gradients: str | None) -> str:
    parts = [
        tape.zeros_like(name) if g is None else g for name, g in zip(node.outputs, gradients, strict=True)
    ]
    return tape.op("Concat", *parts, axis=node.get("axis", 0))


@rule("Expand")
def _expand(tape: Tape, node: Node, g: str) -> str:
    return tape.sum_to(g, node.inputs[0], node.outputs[0])


@rule("Tile")
def _tile(tape: Tape, node: Node, g: str) -> str:
    """Each axis becomes two, the repeats and what is repeated; the repeats are summed."""
    x = node.inputs[0]
    repeats = [int(n) for n in tape.known(node, 1, "repeats").ravel()]
    sizes = []
    for axis, n in enumerate(repeats):
        sizes += [tape.constant([n]), tape.dimension(x, axis)]
    pairs = tape.op("Reshape", g, tape.op("Concat", *sizes, axis=0))
    summed = tape.sum(pairs, range(0, 2 * len(repeats), 2), keepdims=False)
    return tape.reshape_like(summed, x)


@rule("Slice")
def _slice(tape: Tape, node: Node, g: str) -> str:
    x, y = node.inputs[0], node.outputs[0]
    axes = _slice_axes(tape, node)
    steps = tape.known(node, 4, "steps").ravel().tolist() if node.input(4) else [1] * len(axes)
    if any(step != 1 for step in steps):
        return _strided(tape, node, g, axes, steps)
    begins, ends = [], []
    for index, axis in enumerate(axes):
        begin = _begin(tape, node, index, axis)
        begins.append(begin)
        rest = tape.op("Sub", tape.dimension(x, axis), tape.dimension(y, axis))
        ends.append(tape.op("Sub", rest, begin))
    pads = tape.op("Concat", *_at_axes(tape, begins, axes, x), *_at_axes(tape, ends, axes, x), axis=0)
    return tape.op("Pad", g, pads, tape.number(0.0, x))


def _slice_axes(tape: Tape, node: Node) -> list[int]:
    x = node.inputs[0]
    if node.input(3):
        return [int(axis) % tape.rank(x) for axis in tape.known(node, 3, "axes").ravel()]
    return list(range(tape.shape(node.inputs[1])[0] or 0))


def _begin(tape: Tape, node: Node, index: int, axis: int) -> str:
    """Return where a slice begins, int64 (1,), counted from the front."""
    x = node.inputs[0]
    starts, size = tape.value(node.inputs[1]), tape.shape(x)[axis]
    if starts is not None and size is not None:
        return tape.constant([min(max(_from_front(int(starts.ravel()[index]), size), 0), size)])
    if starts is not None and int(starts.ravel()[index]) == 0:
        return tape.constant([0])
    given = tape.op("Cast", tape.op("Gather", node.inputs[1], tape.constant([index])), to=7)
    total, zero = tape.dimension(x, axis), tape.constant([0])
    front = tape.op("Where", tape.op("Less", given, zero), tape.op("Add", given, total), given)
    return tape.op("Min", tape.op("Max", front, zero), total)


def _from_front(index: int, size: int) -> int:
    return index + size if index < 0 else index


def _at_axes(tape: Tape, values: Sequence[str], axes: Sequence[int], name: str) -> list[str]:
    found = dict(zip(axes, values, strict=True))
    return [found.get(axis, tape.constant([0])) for axis in range(tape.rank(name))]


def _strided(tape: Tape, node: Node, g: str, axes: list[int], steps: list[int]) -> str:
    """Scatter along each axis to the places that the slice took."""
    x = node.inputs[0]
    sizes = tape.known_shape(node, x, axes, "it takes steps")
    starts = tape.known(node, 1, "starts").ravel().tolist()
    ends = tape.known(node, 2, "ends").ravel().tolist()
    for axis, size, start, end, step in zip(axes, sizes, starts, ends, steps, strict=True):
        taken = np.arange(size)[_python_slice(start, end, step, size)]
        if len(taken) != size or step != 1:
            g = spread(tape, g, taken, size, axis, node.outputs[0], x)
    return g


def _python_slice(start: int, end: int, step: int, size: int) -> slice:
    """Python and ONNX differ where a slice backwards ends before the first element."""
    if step < 0 and end < -size:
        return slice(start, None, step)
    return slice(start, end, step)


def spread(
    tape: Tape,
    g: str,
    taken: np.ndarray[tuple[int], np.dtype[np.int64]],
    size: int,
    axis: int,
    y: str,
    x: str,
) -> str:
    """
    Return a gradient put back to the places, along one axis, that its elements were taken from.

    A product with a matrix of zeros and ones: elements taken twice are added up, and any order will do.
    """
    matrix = np.zeros((len(taken), size), tape.float_dtype(x))
    matrix[np.arange(len(taken)), taken] = 1
    return contract(tape, g, tape.constant(matrix, matrix.dtype), axis, tape.rank(y))


def contract(tape: Tape, g: str, matrix: str, axis: int, rank: int) -> str:
    """Return the product of a tensor, along one axis, with a matrix (that axis, its new size)."""
    if axis == rank - 1:
        return tape.op("MatMul", g, matrix)
    if axis == rank - 2:
        return tape.op("MatMul", tape.op("Transpose", matrix, perm=[1, 0]), g)
    perm = [*range(axis), *range(axis + 1, rank), axis]
    back = [perm.index(at) for at in range(rank)]
    product = tape.op("MatMul", tape.op("Transpose", g, perm=perm), matrix)
    return tape.op("Transpose", product, perm=back)


@rule("Pad")
def _pad(tape: Tape, node: Node, g: str) -> str:
    x, y = node.inputs[0], node.outputs[0]
    rank = tape.rank(x)
    pads = _pads(tape, node, rank)
    mode = node.get("mode", "constant")
    if mode != "constant":
        return _mirrored(tape, node, g, pads, mode)
    begins, ends = pads[:rank], pads[rank:]
    axes = [axis for axis in range(rank) if begins[axis] or ends[axis]]
    if not axes:
        return g
    g = tape.op(
        "Slice",
        g,
        tape.constant([max(begins[axis], 0) for axis in axes]),
        tape.constant([-ends[axis] if ends[axis] > 0 else np.iinfo(np.int64).max for axis in axes]),
        tape.constant(axes),
    )
    cut = [max(-n, 0) for n in (*begins, *ends)]
    return tape.op("Pad", g, tape.constant(cut), tape.number(0.0, y)) if any(cut) else g


def _pads(tape: Tape, node: Node, rank: int) -> list[int]:
    given = tape.known(node, 1, "pads").ravel().tolist()
    if not node.input(3):
        return [int(n) for n in given]
    pads = [0] * (2 * rank)
    axes = [int(axis) % rank for axis in tape.known(node, 3, "axes").ravel()]
    for index, axis in enumerate(axes):
        pads[axis], pads[rank + axis] = int(given[index]), int(given[len(axes) + index])
    return pads


def _mirrored(tape: Tape, node: Node, g: str, pads: list[int], mode: str) -> str:
    """Add the gradient of what a border repeats."""
    x, rank = node.inputs[0], tape.rank(node.inputs[0])
    for axis in range(rank):
        around = (pads[axis], pads[rank + axis])
        if not any(around):
            continue
        if min(around) < 0:
            raise ModelError(
                f"{node} cuts and repeats at once, for which there is no rule; use Slice for the cut"
            )
        (size,) = tape.known_shape(node, x, [axis], "what its border repeats depends on it")
        taken = np.pad(np.arange(size), around, mode=mode)  # type: ignore[call-overload]
        g = spread(tape, g, taken, size, axis, node.outputs[0], x)
    return g


@rule("DepthToSpace")
def _depth_to_space(tape: Tape, node: Node, g: str) -> str:
    block = node.get("blocksize")
    if node.get("mode", "DCR") == "DCR":
        return tape.op("SpaceToDepth", g, blocksize=block)
    x = node.inputs[0]
    channels = tape.shape(x)[1] or 0
    sizes = [tape.dimension(x, axis) for axis in (2, 3)]
    one, size = tape.constant([block]), tape.constant([0, channels // block**2])
    parts = tape.op("Reshape", g, tape.op("Concat", size, sizes[0], one, sizes[1], one, axis=0))
    return tape.reshape_like(tape.op("Transpose", parts, perm=[0, 1, 3, 5, 2, 4]), x)


@rule("SpaceToDepth")
def _space_to_depth(tape: Tape, node: Node, g: str) -> str:
    return tape.op("DepthToSpace", g, blocksize=node.get("blocksize"), mode="DCR")


@rule("Trilu")
def _trilu(tape: Tape, node: Node, g: str) -> str:
    return tape.op("Trilu", g, *node.inputs[1:], upper=node.get("upper", 1))
