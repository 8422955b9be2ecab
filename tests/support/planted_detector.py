"""
Planted detectors: ONNX models that see squares of pure colours, and scenes of such squares.

A place every 12 pixels looks at the 36 x 36 pixels around it. Its score for a colour is a sigmoid of how much of that
colour is there beyond the others, so the truth is known: a box needs most of its square, and nothing else.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STEP, SIDE = 12, 36
GAIN, LEVEL = 20.0, 0.7
COLOURS = ("red", "green", "blue")
CONTRAST = np.array([[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]], np.float32)


def scene(squares, size=(96, 96), seed=0):
    """A grey, noisy photograph, uint8 (H, W, 3), with (label, left, top) squares of SIDE pixels."""
    rng = np.random.default_rng(seed)
    photo = rng.integers(96, 144, (*size, 1), dtype=np.uint8).repeat(3, axis=2)
    for label, left, top in squares:
        photo[top : top + SIDE, left : left + SIDE] = 20
        photo[top : top + SIDE, left : left + SIDE, label] = 235
    return photo


def box_of(square):
    """The box (x0, y0, x1, y1) of a square of ``scene``."""
    _, left, top = square
    return (left, top, left + SIDE, top + SIDE)


def places(size):
    """Centre, width and height of each place's box, float32 (places, 4)."""
    ys, xs = (np.arange(side // STEP) * STEP + STEP / 2 for side in size)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    return np.concatenate([grid, np.full_like(grid, SIDE)], axis=1).astype(np.float32)


def answers(images):
    """What the detector says of uint8 (n, H, W, 3), computed by NumPy: boxes (places, 4), scores (n, places, 3)."""
    pixels = images.astype(np.float32) / 255
    margin = (SIDE - STEP) // 2
    padded = np.pad(pixels, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    height, width = images.shape[1] // STEP, images.shape[2] // STEP
    means = np.stack(
        [
            padded[:, y * STEP : y * STEP + SIDE, x * STEP : x * STEP + SIDE].mean(axis=(1, 2))
            for y in range(height)
            for x in range(width)
        ],
        axis=1,
    )
    scores = 1 / (1 + np.exp(-GAIN * (means @ CONTRAST.T - LEVEL)))
    return places(images.shape[1:3]), scores.astype(np.float32)


def detector(*, head="columns", size=(96, 96), batch=1, metadata=None):  # noqa: PLR0915  a graph, node by node
    """
    Return a serialised detector.

    ``head`` is "columns" (Ultralytics), "rows" (YOLOv5: a score for anything, then the labels), "queries" (RT-DETR's
    logits and boxes as shares) or "background" (SSD's: the first column is nothing).
    """
    height, width = size
    n_places = (height // STEP) * (width // STEP)
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    margin = (SIDE - STEP) // 2
    op(
        "AveragePool",
        ["images"],
        "means",
        kernel_shape=[SIDE, SIDE],
        strides=[STEP, STEP],
        pads=[margin] * 4,
        count_include_pad=1,
    )
    op("Reshape", ["means", constant("flat", np.array([-1, 3, n_places], np.int64))], "flat_means")
    op("MatMul", [constant("contrast", CONTRAST * GAIN), "flat_means"], "contrasts")
    op("Sub", ["contrasts", constant("level", np.float32(GAIN * LEVEL))], "logits_by_label")
    op("Sigmoid", ["logits_by_label"], "scores_by_label")
    boxes = places(size)
    one = op("Shape", ["images"], "shape_of_images")
    op("Gather", [one, constant("first", np.array([0], np.int64))], "n")
    outputs = {}

    def repeated(name, value):
        # As a head computes its boxes: a constant grid, added to something of each image.
        op("ReduceMean", ["flat_means"], f"{name}_mean", axes=[1, 2], keepdims=1)
        op("Mul", [f"{name}_mean", constant(f"{name}_zero", np.float32(0))], f"{name}_nothing")
        return op("Add", [f"{name}_nothing", constant(f"{name}_grid", value)], name)

    if head == "columns":
        repeated("boxes", boxes.T[None].copy())
        outputs["output0"] = ("Concat", ["boxes", "scores_by_label"], {"axis": 1}, [batch, 7, n_places])
    else:
        op("Transpose", ["scores_by_label"], "scores_by_place", perm=[0, 2, 1])
        op("Transpose", ["logits_by_label"], "logits_by_place", perm=[0, 2, 1])
    if head == "rows":
        repeated("boxes", boxes[None])
        op("ReduceMax", ["scores_by_place"], "anything", axes=[2], keepdims=1)
        op("Div", ["scores_by_place", "anything"], "labels_there")
        outputs["output0"] = (
            "Concat",
            ["boxes", "anything", "labels_there"],
            {"axis": 2},
            [batch, n_places, 8],
        )
    if head == "queries":
        repeated("shares", (boxes / np.array([width, height] * 2, np.float32))[None])
        outputs["logits"] = ("Identity", ["logits_by_place"], {}, [batch, n_places, 3])
        outputs["pred_boxes"] = ("Identity", ["shares"], {}, [batch, n_places, 4])
    if head == "background":
        corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
        repeated("corners", (corners / np.array([width, height] * 2, np.float32)).astype(np.float32)[None])
        op("ReduceSum", ["scores_by_place", constant("last", np.array([2], np.int64))], "some", keepdims=1)
        op("Sub", [constant("whole", np.float32(1)), "some"], "nothing_there")
        outputs["scores"] = (
            "Concat",
            ["nothing_there", "scores_by_place"],
            {"axis": 2},
            [batch, n_places, 4],
        )
        outputs["boxes"] = ("Identity", ["corners"], {}, [batch, n_places, 4])
    declared = []
    for name, (kind, inputs, attributes, shape) in outputs.items():
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        declared.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, height, width])
    graph = helper.make_graph(nodes, "detector", [image], declared, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if metadata:
        helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return model.SerializeToString()


ULTRALYTICS = {"task": "detect", "stride": "32", "names": str(dict(enumerate(COLOURS))), "imgsz": "[96, 96]"}
