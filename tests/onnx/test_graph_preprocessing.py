"""The forms that exporters write one normalisation in: whole or by channel, its constants in any way, and its range."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import exports
from dccausal.inputs.preprocess import PRESETS
from dccausal.onnx.graph.graph import Graph
from dccausal.onnx.reading.normalisation import read_in_graph
from exports import IMAGENET
from small_models import build, images, on_cpu

MEAN, STD = IMAGENET
CAFFE = [103.939, 116.779, 123.68]  # of blue, green and red
F = np.float32


def begun(nodes, constants=(), *, end="begun", **model):
    """Return a model whose image goes through ``nodes`` first: (op, inputs, outputs, attributes)."""
    proto = onnx.load_from_string(build(**{"size": (32, 32), **model}))
    for node in proto.graph.node:
        node.input[:] = [end if name == "image" else name for name in node.input]
    for i, (op, inputs, outputs, attributes) in enumerate(nodes):
        proto.graph.node.insert(i, helper.make_node(op, inputs, outputs, **attributes))
    for name, value in dict(constants).items():
        tensor = value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value), name)
        proto.graph.initializer.append(tensor)
    return proto.SerializeToString()


def told(model):
    return read_in_graph(Graph.read(memoryview(model)), "image").pixels


def is_bgr(model):
    return read_in_graph(Graph.read(memoryview(model)), "image").is_bgr


# By channel


def _by_channel(cut, order=(0, 1, 2), mean=MEAN, std=STD, scale=255.0):
    """Each channel is cut out, normalised alone, and joined in an order."""
    nodes, constants = [], {"white": F(scale), "axis": np.array([1])}
    if cut == "Split":
        nodes.append(("Split", ["image"], ["c0", "c1", "c2"], {"axis": 1}))
    for i in range(3):
        constants |= {f"i{i}": np.array([i]), f"scalar{i}": np.array(i), f"n{i}": np.array([i + 1])}
        constants |= {f"mean{i}": F(mean[i]), f"std{i}": F(std[i])}
        if cut == "Slice":
            nodes.append(("Slice", ["image", f"i{i}", f"n{i}", "axis"], [f"c{i}"], {}))
        elif cut == "Gather":
            nodes.append(("Gather", ["image", f"scalar{i}"], [f"flat{i}"], {"axis": 1}))
            nodes.append(("Unsqueeze", [f"flat{i}", "axis"], [f"c{i}"], {}))
        nodes.append(("Div", [f"c{i}", "white"], [f"w{i}"], {}))
        nodes.append(("Sub", [f"w{i}", f"mean{i}"], [f"m{i}"], {}))
        nodes.append(("Div", [f"m{i}", f"std{i}"], [f"s{i}"], {}))
    nodes.append(("Concat", [f"s{i}" for i in order], ["begun"], {"axis": 1}))
    return begun(nodes, constants)


@pytest.mark.parametrize("cut", ["Split", "Slice", "Gather"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_channels_that_are_normalised_each_alone(cut, order):
    model = _by_channel(cut, order)
    classifier = on_cpu(model)
    assert classifier.preprocess == PRESETS["raw"].with_size((32, 32))
    assert "normalisation of pixels of 0..255" in classifier.preprocess_reason


def test_a_map_from_imagenets_normalisation_to_another_is_no_normalisation_of_pixels():
    """As torchvision's Inception and GoogLeNet begin: x * (0.229 / 0.5) + (0.485 - 0.5) / 0.5, channel by channel."""
    mean = [(0.5 - m) / s for m, s in zip(MEAN, STD, strict=True)]
    std = [0.5 / s for s in STD]
    for cut in ("Split", "Gather"):
        model = exports.dressed(
            _by_channel(cut, mean=mean, std=std, scale=1.0), inputs="image", producer="pytorch"
        )
        assert on_cpu(model).preprocess == PRESETS["imagenet"].with_size((32, 32))


# Ranges other than those of pixels


def _steps(*steps):
    shaped = [(op, np.reshape(value, (3, 1, 1)) if np.size(value) == 3 else value) for op, value in steps]
    return exports.dressed(build(size=(32, 32)), before=shaped)


@pytest.mark.parametrize(
    ("steps", "preset"),
    [
        ([("Add", 1.0), ("Div", 2.0), ("Sub", MEAN), ("Div", STD)], "tf"),
        ([("Mul", 0.5), ("Add", 0.5)], "tf"),
        ([("Mul", 127.5), ("Add", 127.5), ("Sub", CAFFE[::-1])], "tf"),
        (
            [("Mul", STD), ("Add", MEAN), ("Sub", [0.481, 0.458, 0.408]), ("Div", [0.269, 0.261, 0.276])],
            "imagenet",
        ),
        ([("Mul", 255.0), ("Sub", CAFFE[::-1])], "unit"),
        ([("Mul", 255.0)], "unit"),
    ],
)
def test_what_comes_is_turned_into_plain_pixels_first(steps, preset):
    classifier = on_cpu(_steps(*steps))
    assert classifier.preprocess == PRESETS[preset].with_size((32, 32))
    assert classifier.is_range_told


def test_pixels_clipped_to_minus_one_to_one():
    model = begun([("Clip", ["image", "low", "high"], ["begun"], {})], {"low": F(-1), "high": F(1)})
    assert told(model) == "tf"
    assert told(model.replace(F(-1).tobytes(), F(0).tobytes())) == "unit"


@pytest.mark.parametrize(
    ("low", "high", "preset"),
    [(0, 255, "raw"), (0, 1, "unit"), (-1, 1, "tf"), (-2.12, 2.64, "imagenet"), (-40, 50, None)],
)
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_a_quantised_input_tells_its_range(low, high, preset, kind):
    step = (high - low) / 255
    zero = kind(round(np.iinfo(kind).min - low / step))
    pair = [
        ("QuantizeLinear", ["image", "step", "zero"], ["quantised"], {}),
        ("DequantizeLinear", ["quantised", "step", "zero"], ["begun"], {}),
    ]
    model = begun(pair, {"step": F(step), "zero": zero})
    assert told(model) == preset
    if preset is not None:
        assert on_cpu(model).preprocess == PRESETS[preset].with_size((32, 32))


def test_a_quantised_input_comes_after_what_the_steps_tell():
    pair = [
        ("QuantizeLinear", ["image", "step", "zero"], ["quantised"], {}),
        ("DequantizeLinear", ["quantised", "step", "zero"], ["again"], {}),
        ("Div", ["again", "white"], ["begun"], {}),
    ]
    assert told(begun(pair, {"step": F(1.02 / 255), "zero": np.uint8(0), "white": F(255)})) == "raw"


# The constants of a normalisation


def _held(**value):
    return [("Constant", [], ["white"], value), ("Div", ["image", "white"], ["begun"], {})]


def _of_int32(value):
    """A number of float16 as its bits in int32_data, as the converter to float16 writes it."""
    bits = int(np.float16(value).view(np.uint16))
    return TensorProto(name="half", data_type=TensorProto.FLOAT16, dims=[1], int32_data=[bits])


DIVIDED = ("Div", ["image", "white"], ["begun"], {})
CONSTANTS = {
    "a number of a node": (_held(value_float=255.0), {}),
    "numbers of a node": (_held(value_floats=[255.0, 255.0, 255.0]), {}),
    "whole, then cast": ([("Cast", ["n"], ["white"], {"to": 1}), DIVIDED], {"n": np.array([255])}),
    "reshaped": (
        [("Unsqueeze", ["n", "axes"], ["white"], {}), DIVIDED],
        {"n": F(255), "axes": np.array([0])},
    ),
    "quantised": (
        [("DequantizeLinear", ["n", "step", "zero"], ["white"], {}), DIVIDED],
        {"n": np.uint8(255), "step": F(1), "zero": np.uint8(0)},
    ),
    "the root of a variance": (
        [
            ("Sqrt", ["n"], ["root"], {}),
            ("Max", ["root", "least"], ["white"], {}),
            DIVIDED,
        ],
        {"n": F(255**2), "least": F(1e-7)},
    ),
    "the inverse": (
        [("Reciprocal", ["n"], ["white"], {}), ("Mul", ["image", "white"], ["begun"], {})],
        {"n": F(255)},
    ),
    "float16 in int32": ([("Cast", ["half"], ["white"], {"to": 1}), DIVIDED], {"half": _of_int32(255)}),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_in_every_way(name):
    nodes, constants = CONSTANTS[name]
    if name == "numbers of a node":
        nodes = [
            nodes[0],
            ("Reshape", ["white", "shape"], ["tall"], {}),
            ("Div", ["image", "tall"], ["begun"], {}),
        ]
        constants = {"shape": np.array([3, 1, 1])}
    classifier = on_cpu(begun(nodes, constants))
    assert classifier.preprocess == PRESETS["raw"].with_size((32, 32))


def test_constants_that_are_none():
    """Computed from the image, of a loop, or of sizes that do not go together."""
    assert told(begun([("ReduceMax", ["image"], ["white"], {}), DIVIDED])) is None
    loop = [("Cast", ["white"], ["white2"], {"to": 1}), ("Cast", ["white2"], ["white"], {"to": 1}), DIVIDED]
    assert told(begun(loop)) is None
    apart = [("Add", ["a", "b"], ["white"], {}), DIVIDED]
    assert told(begun(apart, {"a": np.ones(2, F), "b": np.ones(3, F)})) is None


# Blue first


@pytest.mark.parametrize(
    ("nodes", "bgr"),
    [
        ([("Sub", ["image", "means"], ["begun"], {})], True),
        (
            [
                ("Slice", ["image", "m1", "far", "axis", "m1"], ["t"], {}),
                ("Sub", ["t", "means"], ["begun"], {}),
            ],
            False,
        ),
        ([("Gather", ["image", "back"], ["t"], {"axis": 1}), ("Sub", ["t", "means"], ["begun"], {})], False),
        ([("Sub", ["image", "means"], ["t"], {}), ("Gather", ["t", "back"], ["begun"], {"axis": 1})], True),
        (
            [
                ("Transpose", ["image"], ["t1"], {"perm": [1, 0, 2, 3]}),
                ("GatherND", ["t1", "rows"], ["t2"], {}),
                ("Transpose", ["t2"], ["t"], {"perm": [1, 0, 2, 3]}),
                ("Sub", ["t", "means"], ["begun"], {}),
            ],
            False,
        ),
    ],
    ids=["none", "slice", "gather", "behind", "torch"],
)
def test_means_tell_whether_blue_comes_first(nodes, bgr):
    constants = {"means": np.reshape(CAFFE, (3, 1, 1)).astype(F), "back": np.array([2, 1, 0])}
    constants |= {
        "m1": np.array([-1]),
        "far": np.array([-9999]),
        "axis": np.array([1]),
        "rows": np.array([[2], [1], [0]]),
    }
    model = begun(nodes, constants)
    classifier = on_cpu(model)
    assert (classifier.preprocess.channel_order == "BGR") == bgr
    assert ("blue, green and red" in classifier.preprocess_reason) == bgr
    assert classifier.preprocess.scale == 1
    photo = images(1, (32, 32), seed=3)
    fed = classifier.encode(photo)
    np.testing.assert_array_equal(fed[0], photo[0].transpose(2, 0, 1)[:: -1 if bgr else 1])


def test_means_of_a_uint8_input_tell_its_order_too():
    nodes = [("Cast", ["image"], ["floats"], {"to": 1}), ("Sub", ["floats", "means"], ["begun"], {})]
    proto = onnx.load_from_string(begun(nodes, {"means": np.reshape(CAFFE, (3, 1, 1)).astype(F)}))
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    assert on_cpu(proto.SerializeToString()).preprocess.channel_order == "BGR"


def test_imagenets_means_in_their_own_order_say_nothing():
    assert not is_bgr(_steps(("Div", 255.0), ("Sub", MEAN), ("Div", STD)))
    assert is_bgr(_steps(("Div", 255.0), ("Sub", MEAN[::-1]), ("Div", STD[::-1])))


# A graph that resizes


def _resizing(sides=None, **model):
    scales = {} if sides else {"scales": F([1, 1, 2, 2])}
    sizes = {"sizes": np.array([1, 3, *sides])} if sides else {}
    inputs = ["image", "", "", "sizes"] if sides else ["image", "", "scales"]
    nodes = [("Resize", inputs, ["begun"], {"mode": "linear"})]
    return exports.dressed(begun(nodes, {**scales, **sizes}, **model), inputs="image", producer="pytorch")


def test_a_graph_that_resizes_is_not_given_what_was_cut_before():
    """PyTorch's models get the centre as torchvision cuts it, but for those that resize and cut for themselves."""
    plain = on_cpu(exports.dressed(build(size=(128, 128)), producer="pytorch"))
    assert (plain.preprocess.geometry, plain.preprocess.crop_ratio) == ("crop", 0.875)
    both = on_cpu(_resizing((64, 64), batch=1, size=(128, 128)))
    assert both.preprocess.geometry == "squash"
    open_sides = on_cpu(_resizing((96, 96), shape=[1, 3, "h", "w"]))
    assert (open_sides.size, open_sides.preprocess.geometry) == ((96, 96), "squash")
    kept = on_cpu(_resizing(None, size=(128, 128)))
    assert (kept.preprocess.geometry, kept.preprocess.crop_ratio) == ("crop", 1.0)


# A graph that normalises, and files that say so too


@pytest.mark.parametrize("documents", [exports.optimum(exports.vit()), exports.timm()])
def test_pixels_that_a_file_and_the_graph_normalise_are_noted(tmp_path, documents):
    plain = on_cpu(exports.export(tmp_path, documents))
    assert plain.notes == ()
    path = tmp_path / "model.onnx"
    path.write_bytes(_steps(("Div", 255.0)))
    classifier = on_cpu(path)
    assert classifier.preprocess == plain.preprocess  # the file says so
    assert "normalised twice" in classifier.notes[0]
    assert "normalised twice" in classifier.cautions[0]
    assert on_cpu(path, preprocess="raw").notes == ()


def test_a_file_and_a_graph_that_go_together_are_not(tmp_path):
    raw = exports.optimum(exports.vit() | {"do_rescale": False, "do_normalize": False})
    path = exports.export(tmp_path, raw)
    path.write_bytes(_steps(("Div", 255.0)))
    assert on_cpu(path).notes == ()
