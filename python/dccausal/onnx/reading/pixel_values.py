"""
What a graph makes of the pixels of its input, channel by channel, as far as that is ``gain * pixel + offset``.

Exporters write a normalisation in many ways: on the whole image, or on each channel alone between a Split (or three
slices) and a Concat, before or after the channels are turned round. What is followed is the value of each channel, so
that all of these give the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dccausal.onnx.graph import graph as og
from dccausal.onnx.graph.graph import Graph, Node
from dccausal.onnx.graph.protobuf import read_fields, read_ints
from dccausal.onnx.graph.values import Numbers, constant_type, constant_values

# They change the place or the type of pixels, and not their values.
_HANDING_ON = (
    *(
        "Cast",
        "CastLike",
        "DequantizeLinear",
        "Expand",
        "Flatten",
        "Identity",
        "Pad",
        "QuantizeLinear",
        "Reshape",
    ),
    *("Resize", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Upsample"),
)
_STEPS = ("Add", "Div", "Mul", "Neg", "Sub")
_LOOKING_ON = ("Shape", "Size")  # they take a value and hand no pixel on
_N_CHANNELS = 3
_MOST_CHANNELS, _MOST_STAGES = 64, 16
_UNKNOWN = -1  # the source of a channel whose place is not known


@dataclass(frozen=True)
class Stage:
    """
    The values of the channels at one place of the graph: each is ``gain * pixel + offset``.

    Attributes
    ----------
    gain, offset
        (channels,), or (1,) where all have the same.
    source
        Which channel of the input each one is; empty for all of them, as they come.

    """

    gain: Numbers
    offset: Numbers
    source: tuple[int, ...] = ()

    @property
    def n(self) -> int:
        """The number of channels; 3 where they are as they come."""
        return max(len(self.gain), len(self.offset), len(self.source) or _N_CHANNELS)

    @property
    def sources(self) -> tuple[int, ...]:
        """The source of each channel."""
        return self.source or tuple(range(self.n))

    def picked(self, channels: Sequence[int]) -> Stage:
        """Return some of the channels, in this order."""
        sources = self.sources
        gain, offset = (
            value if len(value) == 1 else value[list(channels)] for value in (self.gain, self.offset)
        )
        return Stage(gain, offset, tuple(sources[channel] for channel in channels))


def _joined(stages: Sequence[Stage]) -> Stage:
    gain, offset = (
        np.concatenate(
            [np.broadcast_to(value, len(stage.sources)) for stage, value in zip(stages, values, strict=True)]
        )
        for values in ([stage.gain for stage in stages], [stage.offset for stage in stages])
    )
    return Stage(gain, offset, tuple(source for stage in stages for source in stage.sources))


@dataclass(frozen=True)
class Values:
    """
    What a value of the graph holds of the input's pixels.

    Attributes
    ----------
    stages
        The channels as they come, and after each of the first operations that changed them.
    last
        The channels as they are here.
    clipped
        The bounds that the untouched pixels are clipped to; None for one that is computed.
    quantised
        The bounds that the untouched pixels are quantised over.
    resized_by
        The operation that resizes the image.

    """

    last: Stage
    stages: tuple[Stage, ...] = ()
    clipped: tuple[float | None, float | None] | None = None
    quantised: tuple[float, float] | None = None
    resized_by: Node | None = None

    def stepped(self, gain: Numbers, offset: Numbers) -> Values:
        """Return the values after a step."""
        stage = Stage(gain, offset, self.last.source)
        return replace(self, last=stage, stages=(*self.stages, stage)[:_MOST_STAGES])

    def picked(self, channels: Sequence[int]) -> Values:
        """Return the values of some of the channels, in this order."""
        stages = tuple(stage.picked(channels) for stage in self.stages)
        return replace(self, last=self.last.picked(channels), stages=stages)


@dataclass(frozen=True)
class Beginning:
    """
    What a network gets of the pixels.

    Attributes
    ----------
    values
        The last of the values that were followed.
    taker
        The operation that takes them; None at the end of the graph.

    """

    values: Values
    taker: Node | None


def beginning_of(graph: Graph, image: str) -> Beginning | None:
    """
    Return what reaches the network of the pixels of an input; None where it takes them at several places.

    Parameters
    ----------
    graph
        The model's, functions written out.
    image
        The name of its input.

    """
    walk = _Walk(graph, {image: Values(Stage(np.ones(1), np.zeros(1)))})
    for node in graph.nodes:
        if node.op not in _LOOKING_ON and node.outputs and any(name in walk.known for name in node.inputs):
            walk.take(node)
    ends = [name for name in walk.known if name in walk.takers or name not in walk.handed_on]
    return Beginning(walk.known[ends[0]], walk.takers.get(ends[0])) if len(ends) == 1 else None


@dataclass
class _Walk:
    """What is known of the values of a graph, in the order of its operations."""

    graph: Graph
    known: dict[str, Values]
    takers: dict[str, Node] = field(default_factory=dict)
    handed_on: set[str] = field(default_factory=set)
    constants: dict[str, Numbers | None] = field(default_factory=dict)

    def take(self, node: Node) -> None:
        """Follow an operation, or note that it takes what is known."""
        taken = [name for name in node.inputs if name in self.known]
        made = None if any(name in self.known for name in node.outputs) else self._made(node, taken)
        if made is None:
            for name in taken:
                self.takers.setdefault(name, node)
        else:
            self.known.update(zip(node.outputs, made, strict=False))
            self.handed_on.update(taken)

    def _made(self, node: Node, taken: Sequence[str]) -> list[Values] | None:
        """Return the values that an operation makes; None for one that cannot be followed."""
        if node.op == "Concat":
            return self._concat(taken) if len(taken) == len(node.inputs) else None
        is_first = node.inputs[0] == taken[0]
        if len(taken) != 1 or not (is_first or node.op in (*_STEPS, "Max", "Min")):
            return None
        values = self.known[taken[0]]
        if node.op == "Split":
            n = len(node.outputs)
            return [values.picked([i]) for i in range(n)] if n == values.last.n > 1 else None
        made = (
            self._step(node, values, is_first=is_first)
            if node.op in _STEPS
            else self._handed_on(node, values, taken[0])
        )
        return None if made is None else [made]

    def _handed_on(self, node: Node, values: Values, name: str) -> Values | None:
        """Return the values behind an operation that moves pixels, or leaves plain ones as they are."""
        if node.op in ("Clip", "Max", "Min"):
            values = self._clipped(node, values, name)
        elif node.op in ("Gather", "GatherND", "Slice"):
            n = values.last.n
            picked = self._sliced(node, n) if node.op == "Slice" else self._gathered(node, n)
            values = values if picked is None else values.picked(picked)
        elif node.op == "ReverseSequence":  # of an axis that only the shapes tell
            values = replace(values, last=replace(values.last, source=(_UNKNOWN,) * values.last.n))
        elif node.op not in _HANDING_ON:
            return None
        elif node.op == "QuantizeLinear" and not values.stages:
            values = replace(values, quantised=values.quantised or self._quantised(node))
        elif node.op in ("Resize", "Upsample"):
            values = replace(values, resized_by=values.resized_by or node)
        return values

    def _step(self, node: Node, values: Values, *, is_first: bool) -> Values | None:
        """Return the values after a step with a constant: one number, or one for each channel."""
        gain, offset = values.last.gain, values.last.offset
        if node.op == "Neg":
            return values.stepped(-gain, -offset)
        others = [name for name in node.inputs if name not in self.known]
        by = self._constant(others[0]) if len(others) == 1 else None
        if by is None or (node.op == "Div" and not is_first):
            return None
        if len(by) not in (1, values.last.n):  # a mean image
            by = by.mean(keepdims=True)
        if node.op == "Add":
            return values.stepped(gain, offset + by)
        if node.op == "Sub":
            return values.stepped(gain, offset - by) if is_first else values.stepped(-gain, by - offset)
        with np.errstate(all="ignore"):
            factor = by if node.op == "Mul" else 1 / by
            return values.stepped(gain * factor, offset * factor)

    def _clipped(self, node: Node, values: Values, name: str) -> Values:
        if values.stages:
            return values
        low, high = values.clipped or (None, None)
        if node.op == "Clip":
            bounds = [self._number(source) for source in node.inputs[1:3]] + [None, None]
            low = _attribute(node, "min") if bounds[0] is None else bounds[0]  # as before opset 11
            high = _attribute(node, "max") if bounds[1] is None else bounds[1]
        else:
            bound = next((self._number(source) for source in node.inputs if source != name), None)
            low, high = (bound, high) if node.op == "Max" else (low, bound)
        return replace(values, clipped=(low, high))

    def _quantised(self, node: Node) -> tuple[float, float] | None:
        """Return the bounds of what a quantisation can tell apart."""
        step = self._number(node.inputs[1]) if len(node.inputs) > 1 else None
        named = node.inputs[2] if len(node.inputs) > 2 else ""  # noqa: PLR2004
        zero = self._number(named) if named else 0.0
        type_ = constant_type(self.graph, named) if named else np.dtype("u1")
        if step is None or zero is None or type_ is None or type_.kind not in "iu":
            return None
        info = np.iinfo(type_)
        return (info.min - zero) * step, (info.max - zero) * step

    def _concat(self, taken: Sequence[str]) -> list[Values] | None:
        parts = [self.known[name] for name in taken]
        if sum(part.last.n for part in parts) > _MOST_CHANNELS:
            return None
        stages = tuple(_joined(stages) for stages in zip(*(part.stages for part in parts), strict=False))
        return [replace(parts[0], last=_joined([part.last for part in parts]), stages=stages)]

    def _gathered(self, node: Node, n: int) -> list[int] | None:
        """Return which channels a Gather takes; None where it takes others than channels."""
        at = self._constant(node.inputs[1]) if len(node.inputs) > 1 else None
        if at is None or len(at) not in (1, n) or not np.all((at >= -n) & (at < n)):
            return None
        if len(at) == 1 and not _whole(node, "axis"):  # one image of a batch
            return None
        return [int(i) % n for i in at]

    def _sliced(self, node: Node, n: int) -> list[int] | None:
        """Return which channels a Slice takes: one, or all the other way round; None where it takes others."""
        given = [self._constant(name) if name else None for name in node.inputs[1:5]]
        if len(node.inputs) == 1:  # as before opset 10
            told = [node.ints(key) for key in ("starts", "ends", "axes")]
            given = [np.array(numbers, np.float64) if numbers else None for numbers in told]
        starts, ends, axes, steps = (*given, None, None, None, None)[:4]
        if starts is None or ends is None or len(starts) != 1 or (axes is not None and axes[0] == 0):
            return None
        start, end = int(starts[0]), int(ends[0])
        step = 1 if steps is None else int(steps[0])
        if step == -1 and (start == -1 or start >= n - 1) and end < -n:
            return list(range(n))[::-1]
        start, end = (side + n if -n <= side < 0 else side for side in (start, end))
        end = min(end, n) if start == n - 1 else end
        return [start] if step == 1 and 0 <= start < n and end == start + 1 else None

    def _number(self, name: str) -> float | None:
        value = self._constant(name)
        return None if value is None or len(value) != 1 else float(value[0])

    def _constant(self, name: str) -> Numbers | None:
        if name not in self.constants:
            self.constants[name] = constant_values(self.graph, name)
        return self.constants[name]


def _attribute(node: Node, name: str) -> float | None:
    """Return a float that an operation holds."""
    told = node.attribute(name)
    fields = () if told is None else read_fields(told)
    values = [v for n, v, _ in fields if n == og.ATTRIBUTE_FLOAT and isinstance(v, memoryview)]
    return float(np.frombuffer(values[0], "<f4")[0]) if values else None


def _whole(node: Node, name: str) -> int:
    """Return a whole number that an operation holds, 0 without."""
    told = node.attribute(name)
    fields = () if told is None else read_fields(told)
    return next((i for n, v, _ in fields if n == og.ATTRIBUTE_INT for i in read_ints(v)), 0)
