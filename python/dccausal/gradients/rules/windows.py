"""How a window slides over a tensor: kernel, strides, dilations and pads, with what exporters leave out filled in."""

from __future__ import annotations

from dataclasses import dataclass

from dccausal.gradients.nodes import Node
from dccausal.gradients.tape import Tape


@dataclass(frozen=True)
class Window:
    """
    A sliding window over the spatial axes.

    Attributes
    ----------
    kernel, strides, dilations
        A number an axis.
    begins, ends
        Pads before and behind; behind also what ``ceil_mode`` lets the last window hang over.
    remainders
        What no window reaches at the end of each axis; None where the size is open.

    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    remainders: tuple[int | None, ...]

    @property
    def pads(self) -> list[int]:
        """Pads in ONNX's order."""
        return [*self.begins, *self.ends]

    @property
    def reach(self) -> tuple[int, ...]:
        """Size of the window with the holes of its dilation."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))


def window_of(tape: Tape, node: Node, kernel: tuple[int, ...]) -> Window:
    """
    Return how the window of a convolution or pool slides over its first input.

    Raises
    ------
    ModelError
        If that depends on an open size.

    """
    n = len(kernel)
    strides = tuple(node.get("strides") or [1] * n)
    dilations = tuple(node.get("dilations") or [1] * n)
    auto = node.get("auto_pad", "NOTSET")
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    pads = [0] * (2 * n) if auto == "VALID" else list(node.get("pads") or [0] * (2 * n))
    sizes = tape.shape(node.inputs[0])[2:]
    if auto.startswith("SAME"):
        pads = _same_pads(tape, node, reach, strides, is_upper=auto == "SAME_UPPER")
    begins, ends = pads[:n], pads[n:]
    if node.get("ceil_mode", 0):
        known = tape.known_shape(node, node.inputs[0], range(2, 2 + n), "ceil_mode needs the size")
        counts = tape.known_shape(node, node.outputs[0], range(2, 2 + n), "ceil_mode needs the size")
        for axis in range(n):
            covered = (counts[axis] - 1) * strides[axis] + reach[axis]
            ends[axis] = max(ends[axis], covered - known[axis] - begins[axis])
    remainders = tuple(
        None if size is None else (size + begin + end - r) % stride
        for size, begin, end, r, stride in zip(sizes, begins, ends, reach, strides, strict=True)
    )
    return Window(tuple(kernel), strides, dilations, tuple(begins), tuple(ends), remainders)


def _same_pads(
    tape: Tape, node: Node, reach: list[int], strides: tuple[int, ...], *, is_upper: bool
) -> list[int]:
    totals = []
    for axis, (r, stride) in enumerate(zip(reach, strides, strict=True)):
        if stride == 1:
            totals.append(r - 1)
            continue
        (size,) = tape.known_shape(node, node.inputs[0], [2 + axis], "auto_pad needs it")
        totals.append(max((-(-size // stride) - 1) * stride + r - size, 0))
    small = [total // 2 for total in totals]
    large = [total - part for total, part in zip(totals, small, strict=True)]
    return small + large if is_upper else large + small
