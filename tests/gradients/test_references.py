"""Whole networks against Captum, zennit, pytorch-grad-cam and the authors of RAP (tests/data/whitebox/README.md)."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dccausal.errors import ModelError, OptionError
from dccausal.gradients import gradient_model
from dccausal.gradients.attribution import integrated_gradients
from dccausal.gradients.cam import enlarge, grad_cam, hires_cam
from dccausal.gradients.relevance import LrpRules, relevance_model
from dccausal.gradients.whitebox import WhiteBox
from differences import gradient_in_float64, session

FOLDER = Path(__file__).parents[1] / "data" / "whitebox"
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*.onnx"))
CLOSE, CLOSE_RELEVANCE = 1e-4, 1e-3
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
BOX = (tuple((0 - MEAN) / STD), tuple((1 - MEAN) / STD))
RULES = {
    "lrp_epsilon_1e-6": LrpRules(preset="epsilon"),
    "lrp_epsilon_0.1": LrpRules(preset="epsilon", epsilon=0.1),
    "lrp_epsilon_plus": LrpRules(preset="zplus"),
    "lrp_epsilon_plus_zero_bias": LrpRules(preset="zplus", bias="none"),
    "lrp_epsilon_gamma_box": LrpRules(preset="composite", box=BOX),
}


@cache
def box(file):
    return WhiteBox(FOLDER / file)


@cache
def references(net):
    return dict(np.load(FOLDER / net / "refs.npz"))


def of_both_targets(refs, ask):
    """What is asked for each of the two targets of the two images, as the references have it."""
    return np.stack([ask(refs["inputs"], refs["targets"][:, k]) for k in range(2)], axis=1)


def distance(found, wanted):
    return np.abs(found - wanted).max() / np.abs(wanted).max()


@pytest.mark.parametrize("file", FILES)
def test_gradient_and_logits(file):
    refs = references(file.partition("/")[0])
    found = of_both_targets(refs, lambda x, t: box(file).gradient(x, t).values)
    assert distance(found, refs["gradient"]) < CLOSE
    assert np.abs(box(file).gradient(refs["inputs"], 0).logits - refs["logits"]).max() < 2e-5
    assert distance(found * refs["inputs"][:, None], refs["input_x_gradient"]) < CLOSE


@pytest.mark.parametrize("file", [f for f in FILES if f.startswith(("plain", "vit"))])
def test_gradient_of_probabilities(file):
    refs = references(file.partition("/")[0])
    runner = session(gradient_model(FOLDER / file, explained="probabilities"))
    name = runner.get_inputs()[0].name

    def ask(x, targets):
        return runner.run(["gradient"], {name: x, "target": targets.astype(np.int64)})[0]

    assert distance(of_both_targets(refs, ask), refs["gradient_of_softmax"]) < CLOSE


@pytest.mark.parametrize("file", FILES)
def test_integrated_gradients(file):
    refs = references(file.partition("/")[0])
    key = "ig_riemann_middle_50"
    for i, k in np.ndindex(2, 2):
        x = refs["inputs"][i]
        found = integrated_gradients(box(file), x, np.zeros_like(x), int(refs["targets"][i, k]))
        assert np.abs(found.values - refs[key][i, k]).max() < CLOSE * np.abs(refs[key]).max()
        target = refs["targets"][i, k]
        assert found.total == pytest.approx(
            refs["logits"][i, target] - refs["logits_zero_input"][target], abs=5e-5
        )


@pytest.mark.parametrize("file", [f for f in FILES if not f.startswith("resnet")])
def test_integrated_gradients_at_the_nodes_of_gauss_and_legendre(file):
    """Of ``resnet``, one node lies 1e-6 from a kink, so that rounding decides about a tenth of its gradient."""
    refs = references(file.partition("/")[0])
    key = "ig_gausslegendre_50"
    x = refs["inputs"][0]
    found = integrated_gradients(
        box(file), x, np.zeros_like(x), int(refs["targets"][0, 0]), nodes="gausslegendre"
    )
    assert np.abs(found.values - refs[key][0, 0]).max() < CLOSE * np.abs(refs[key]).max()


@pytest.mark.parametrize("file", [f for f in FILES if f.startswith(("plain", "resnet"))])
def test_guided_backpropagation(file):
    refs = references(file.partition("/")[0])
    found = of_both_targets(refs, lambda x, t: box(file).gradient(x, t, is_guided=True).values)
    assert distance(found, refs["guided_backprop"]) < CLOSE


@pytest.mark.parametrize("file", [f for f in FILES if f.startswith(("vit", "gates"))])
def test_guided_backpropagation_needs_a_relu(file):
    with pytest.raises(ModelError, match="no ReLU and no Clip from 0; its first other activation is"):
        box(file).gradient(references(file.partition("/")[0])["inputs"], 0, is_guided=True)


def cam_layers():
    for file in FILES:
        net, _, name = file.partition("/")
        form = name.removeprefix("model_").removesuffix(".onnx")
        for layer, tensors in json.loads((FOLDER / net / "meta.json").read_text())["layers"].items():
            if form in tensors and f"gradcam.{layer}.raw" in references(net):
                yield file, layer, tensors[form][0]


@pytest.mark.parametrize(("file", "layer", "tensor"), list(cam_layers()))
def test_class_activation_maps(file, layer, tensor):
    refs = references(file.partition("/")[0])
    found = box(file).layer(tensor)
    answers = [box(file).at_layer(refs["inputs"], refs["targets"][:, k], found) for k in range(2)]
    for name, make in (("gradcam", grad_cam), ("hirescam", hires_cam)):
        raw = np.stack([make(answer.activation, answer.values) for answer in answers], axis=1)
        assert distance(raw, refs[f"{name}.{layer}.raw"]) < CLOSE
        final = np.stack([enlarge(raw[:, k], refs["inputs"].shape[2:]) for k in range(2)], axis=1)
        assert np.abs(final - refs[f"{name}.{layer}.final"]).max() < CLOSE
    activation = np.stack([answer.activation for answer in answers], axis=1)[:, 0]
    assert distance(activation, refs[f"layer_activation.{layer}"]) < CLOSE


@pytest.mark.parametrize(
    ("file", "grid"),
    [("plain/model_ts.onnx", (8, 8)), ("resnet/model_ts_bn.onnx", (3, 3)), ("vit/model_ts.onnx", (4, 5)),
     ("vit/model_dynamo.onnx", (4, 5)), ("vit/model_ts14.onnx", (4, 5)), ("gates/model_ts.onnx", (20, 16))],
)  # fmt: skip
def test_the_layer_is_found_before_pooling_or_the_head(file, grid):
    found = box(file).layer()
    assert found.grid == grid
    answer = box(file).at_layer(references(file.partition("/")[0])["inputs"], 0, found)
    assert answer.activation.shape[2:] == answer.values.shape[2:] == grid
    assert np.abs(answer.values).max() > 0


def test_a_layer_that_is_not_there_or_has_no_grid_is_refused():
    with pytest.raises(OptionError, match="layer is 'nothing'; the model computes no tensor of that name"):
        box("plain/model_ts.onnx").layer("nothing")
    with pytest.raises(OptionError, match="which is no grid over the image"):
        box("plain/model_ts.onnx").layer(flat_tensor())


def flat_tensor():
    import onnx

    model = onnx.load(FOLDER / "plain" / "model_ts.onnx")
    return next(node.output[0] for node in model.graph.node if node.op_type == "Flatten")


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("file", [f for f in FILES if f.startswith(("plain", "resnet"))])
def test_layerwise_relevance(file, rules):
    refs = references(file.partition("/")[0])
    found = of_both_targets(refs, lambda x, t: box(file).relevance(x, t, RULES[rules]).values)
    assert distance(found, refs[rules]) < CLOSE_RELEVANCE


@pytest.mark.parametrize("file", [f for f in FILES if f.startswith(("plain", "resnet"))])
def test_relative_attributing_propagation(file):
    refs = references(file.partition("/")[0])
    found = of_both_targets(refs, lambda x, t: box(file).relevance(x, t, "rap").values)
    # Float32 is as near as this to float64 in ``resnet``, where a residual sum is 1e-6 and divided by.
    assert distance(found, refs["rap"]) < (4e-3 if file.startswith("resnet") else CLOSE_RELEVANCE)
    chosen = np.take_along_axis(refs["logits"], refs["targets"], axis=1)
    np.testing.assert_allclose(found.sum(axis=(2, 3, 4)), chosen, rtol=1e-4)


def test_a_black_corner_takes_no_relevance_of_rap():
    """Under a flat square at the image's least value, the box of the first layer made nothing."""
    image = references("plain")["inputs"][:1].copy()
    image[:, :, :16, :16] = image.min()
    found = box("plain/model_ts.onnx").relevance(image, 0, "rap").values
    assert np.isfinite(found).all()
    assert np.abs(found).max() > 0
    flat = box("plain/model_ts.onnx").relevance(np.full_like(image, image.min()), 0, "rap").values
    np.testing.assert_array_equal(flat, 0)


@pytest.mark.slow
def test_relative_attributing_propagation_in_float64():
    """The same graph, every number of it in float64, by the package onnx's evaluator."""
    refs = references("resnet")
    evaluate = gradient_in_float64(relevance_model(FOLDER / "resnet" / "model_ts.onnx", "rap"), "relevance")
    found = evaluate(refs["inputs"], refs["targets"][:, 0])
    assert distance(found, refs["rap"][:, 0]) < CLOSE_RELEVANCE / 2


@pytest.mark.parametrize("file", [f for f in FILES if not f.startswith("vit")])
def test_relevance_is_conserved_without_biases(file):
    refs = references(file.partition("/")[0])
    answer = box(file).relevance(refs["inputs"], refs["targets"][:, 0], LrpRules(preset="zplus", bias="none"))
    chosen = np.take_along_axis(refs["logits"], refs["targets"][:, :1], axis=1)[:, 0]
    np.testing.assert_allclose(answer.values.sum(axis=(1, 2, 3)), chosen, rtol=2e-3)


@pytest.mark.parametrize("file", ["plain/model_ts.onnx", "resnet/model_ts.onnx"])
def test_epsilon_near_zero_is_input_times_gradient(file):
    refs = references(file.partition("/")[0])
    rules = LrpRules(preset="epsilon", epsilon=1e-9)
    found = of_both_targets(refs, lambda x, t: box(file).relevance(x, t, rules).values)
    assert distance(found, refs["input_x_gradient"]) < CLOSE_RELEVANCE


@pytest.mark.parametrize("file", [f for f in FILES if f.startswith(("vit", "gates"))])
def test_relative_attributing_propagation_names_what_it_cannot_do(file):
    with pytest.raises(ModelError, match="RAP"):
        box(file).relevance(references(file.partition("/")[0])["inputs"], 0, "rap")


@pytest.mark.parametrize("form", ["ts", "ts14"])
def test_relevance_does_not_depend_on_the_exporter(form):
    """Also of attention and of a layer normalisation that is taken apart."""
    refs = references("vit")
    rules = LrpRules(preset="epsilon", epsilon=0.1)
    found, wanted = (
        box(f"vit/model_{name}.onnx").relevance(refs["inputs"], refs["targets"][:, 0], rules).values
        for name in (form, "dynamo")
    )
    assert distance(found, wanted) < 5e-3
