"""
Operations on whole numbers, written out as what they stand for: back to numbers, the operation itself, rounded again.

ONNX Runtime's quantiser writes them in its form "QOperator"; its other form, QDQ, has them written out already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

_FLOAT = 1


class _Writer:
    """Writes nodes under names that begin with that of one operation's result."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.nodes: list[Any] = []
        self.begin = f"{node.output[0]}::"

    def op(self, op: str, *inputs: str, result: str = "", **attributes: Any) -> str:
        """Add an operation; return the name of its output."""
        from onnx import helper

        name = result or f"{self.begin}{op}_{len(self.nodes)}"
        own = self.node.name or self.node.output[0]
        title = f"{own}::{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], title, **attributes))
        return name

    def real(self, x: str, scale: str, zero: str, **attributes: Any) -> str:
        """Return whole numbers as what they stand for."""
        return self.op("DequantizeLinear", x, scale, *filter(None, [zero]), **attributes)

    def whole(self, x: str, scale: str, zero: str) -> None:
        """Let the operation's result be the whole numbers of a tensor."""
        self.op("QuantizeLinear", x, scale, *filter(None, [zero]), result=self.node.output[0])

    def attributes(self, *left_out: str) -> dict[str, Any]:
        """Return the operation's attributes."""
        from onnx import helper

        return {a.name: helper.get_attribute_value(a) for a in self.node.attribute if a.name not in left_out}


def write_quantised_out(model: Any) -> None:
    """Replace operations on whole numbers in a ModelProto, in place."""
    nodes = list(model.graph.node)
    if not any(_form_of(node) for node in nodes):
        return
    ranks = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    del model.graph.node[:]
    for node in nodes:
        form = _form_of(node)
        model.graph.node.extend([node] if form is None else form(_Writer(node), ranks))


def _form_of(node: Any) -> Callable[[_Writer, dict[str, int]], Iterator[Any]] | None:
    if node.domain == "com.microsoft" and any(a.name == "channels_last" and a.i for a in node.attribute):
        return None
    return _FORMS.get((node.domain, node.op_type))


def _inputs(node: Any, n: int) -> list[str]:
    return [*node.input, *[""] * (n - len(node.input))]


def _of_one(op: str, *left_out: str) -> Callable[[_Writer, dict[str, int]], Iterator[Any]]:
    """Return the form of an operation of one tensor: x, its scale and zero, those of the result."""

    def form(write: _Writer, _ranks: dict[str, int]) -> Iterator[Any]:
        x, scale, zero, new_scale, new_zero = _inputs(write.node, 5)
        made = write.op(op, write.real(x, scale, zero), **write.attributes("channels_last", *left_out))
        write.whole(made, new_scale, new_zero)
        yield from write.nodes

    return form


def _of_two(op: str) -> Callable[[_Writer, dict[str, int]], Iterator[Any]]:
    """Return the form of an operation of two tensors: each with its scale and zero, then those of the result."""

    def form(write: _Writer, ranks: dict[str, int]) -> Iterator[Any]:
        a, a_scale, a_zero, b, b_scale, b_zero, scale, zero = _inputs(write.node, 8)
        columns = {"axis": -1} if ranks.get(b_scale) else {}
        left, right = write.real(a, a_scale, a_zero), write.real(b, b_scale, b_zero, **columns)
        write.whole(write.op(op, left, right), scale, zero)
        yield from write.nodes

    return form


def _conv(write: _Writer, _ranks: dict[str, int]) -> Iterator[Any]:
    x, x_scale, x_zero, w, w_scale, w_zero, scale, zero, bias = _inputs(write.node, 9)
    parts = [write.real(x, x_scale, x_zero), write.real(w, w_scale, w_zero, axis=0)]
    if bias:
        step = write.op("Mul", x_scale, w_scale)
        parts.append(write.op("Mul", write.op("Cast", bias, to=_FLOAT), step))
    write.whole(write.op("Conv", *parts, **write.attributes()), scale, zero)
    yield from write.nodes


def _gemm(write: _Writer, _ranks: dict[str, int]) -> Iterator[Any]:
    a, a_scale, a_zero, b, b_scale, b_zero, c, scale, zero = _inputs(write.node, 9)
    how = write.attributes()
    rows = {"axis": 0 if how.get("transB", 0) else 1}
    parts = [write.real(a, a_scale, a_zero), write.real(b, b_scale, b_zero, **rows)]
    if c:
        step = write.op("Mul", a_scale, b_scale)
        parts.append(write.op("Mul", write.op("Cast", c, to=_FLOAT), step))
    if scale:
        write.whole(write.op("Gemm", *parts, **how), scale, zero)
    else:
        write.op("Gemm", *parts, result=write.node.output[0], **how)
    yield from write.nodes


def _concat(write: _Writer, _ranks: dict[str, int]) -> Iterator[Any]:
    scale, zero, *rest = write.node.input
    parts = [write.real(*_three(rest, at)) for at in range(0, len(rest), 3)]
    write.whole(write.op("Concat", *parts, **write.attributes()), scale, zero)
    yield from write.nodes


def _three(names: Sequence[str], at: int) -> tuple[str, str, str]:
    x, scale, zero = names[at : at + 3]
    return x, scale, zero


_MICROSOFT = "com.microsoft"
_FORMS: dict[tuple[str, str], Callable[[_Writer, dict[str, int]], Iterator[Any]]] = {
    ("", "QLinearConv"): _conv,
    ("", "QLinearMatMul"): _of_two("MatMul"),
    (_MICROSOFT, "QLinearAdd"): _of_two("Add"),
    (_MICROSOFT, "QLinearMul"): _of_two("Mul"),
    (_MICROSOFT, "QLinearAveragePool"): _of_one("AveragePool"),
    (_MICROSOFT, "QLinearGlobalAveragePool"): _of_one("GlobalAveragePool"),
    (_MICROSOFT, "QLinearReduceMean"): _of_one("ReduceMean"),
    (_MICROSOFT, "QLinearLeakyRelu"): _of_one("LeakyRelu"),
    (_MICROSOFT, "QLinearSigmoid"): _of_one("Sigmoid"),
    (_MICROSOFT, "QLinearSoftmax"): _of_one("Softmax", "opset"),
    (_MICROSOFT, "QLinearConcat"): _concat,
    (_MICROSOFT, "QGemm"): _gemm,
}
