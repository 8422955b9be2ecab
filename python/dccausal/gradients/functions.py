"""Operations that are made of others: a model's own functions, and those that ONNX defines by ordinary operations."""

from __future__ import annotations

from typing import Any

# Of ONNX's own; the others that it defines so have rules.
COMPOSED = frozenset(
    {
        *("AffineGrid", "Attention", "CenterCropPad", "LinearAttention", "RotaryEmbedding"),
        *("SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss", "SwiGLU"),
    }
)


def write_out(model: Any) -> Any:
    """
    Return a model in which functions are written out, so that rules of ordinary operations suffice.

    Parameters
    ----------
    model
        A ModelProto. It is returned as it is where it has none.

    """
    from onnx import inliner

    if model.functions:
        model = inliner.inline_local_functions(model)
    found = sorted({n.op_type for n in model.graph.node if n.domain in ("", "ai.onnx")} & COMPOSED)
    return _with_types(model, found) if found else model


def _with_types(model: Any, ops: list[str]) -> Any:
    """
    Write operations out as ONNX defines them, which depends on the types of what they are given.

    Where the package onnx is too old, or cannot tell a type, they stay, and are refused by their names as any that have
    no rule.
    """
    from onnx import helper, inliner, shape_inference

    typed = shape_inference.infer_shapes(model)
    typed.graph.value_info.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in typed.graph.initializer
    )
    try:
        return inliner.inline_selected_functions(
            typed, [("", op) for op in ops], inline_schema_functions=True
        )
    except (TypeError, RuntimeError):
        return model
