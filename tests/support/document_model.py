"""A small model that the documents' examples may be run with: what they show is the call, not the panda."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dccausal.assets.default_model import class_names
from dccausal.assets.photo import demo_photo

SIDE, CELL = 224, 32
LABEL = 388  # giant panda
FED = {"geometry": "squash", "interpolation": "bilinear", "scale": 0.00784313725490196, "mean": 1, "std": 1}


def document_model(sharpness: float = 0.6) -> onnx.ModelProto:
    """
    Return a model of ImageNet's classes that sees 7 x 7 cells of an image.

    It says "giant panda" of the packaged photograph and of what is like it; of anything else, something at random.
    """
    photo = np.asarray(demo_photo().resize((SIDE, SIDE)), dtype=np.float32) / 127.5 - 1
    seen = photo.reshape(7, CELL, 7, CELL, 3).mean((1, 3)).transpose(2, 0, 1).ravel()
    weights = np.random.default_rng(0).normal(0, 0.02, (1000, seen.size)).astype(np.float32)
    # The head of the panda, left of the middle, counts three times.
    importance = np.ones((3, 7, 7), np.float32)
    importance[:, 1:5, 2:5] = 3
    weights[LABEL] = seen * importance.ravel() * sharpness
    nodes = [
        helper.make_node(
            "AveragePool", ["images"], ["cells"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]
        ),
        helper.make_node("Flatten", ["cells"], ["row"]),
        helper.make_node("Gemm", ["row", "weights"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "documents",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 1000])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"names": json.dumps(class_names()), "preprocess": json.dumps(FED)})
    return model
