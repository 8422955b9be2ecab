"""Which output is explained, what is no score of an image, and models that give labels, maps or whole numbers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dccausal import explain
from dccausal.errors import ModelError, OptionError
from dccausal.onnx.reading.outputs import choose_output
from small_models import SIZE, expected, images, on_cpu, softmax, weights

X = images(6)
F, I64 = TensorProto.FLOAT, TensorProto.INT64
NAMES = ("red", "green", "blue", "none")


def model(nodes, outputs, constants=None, *, batch="batch", domains=()):
    """The average colour times ``weights`` as "flat", then the nodes; outputs are names with a type or without."""
    before = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "matrix"], ["flat"]),
    ]
    arrays = {"matrix": weights(3, 4).astype(np.float32), **(constants or {})}
    declared = [
        value if isinstance(value, onnx.ValueInfoProto) else helper.make_tensor_value_info(*value)
        for value in outputs
    ]
    graph = helper.make_graph(
        [*before, *nodes],
        "test",
        [helper.make_tensor_value_info("image", F, [batch, 3, *SIZE])],
        declared,
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(name, 3) for name in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def load(*arguments, **options):
    return on_cpu(model(*arguments, **options), preprocess="unit")


node = helper.make_node
EMBEDDING = node("MatMul", ["flat", "wide"], ["embedding"])
WIDE = {"wide": np.random.default_rng(1).normal(size=(4, 16)).astype(np.float32)}
PROBS = node("Softmax", ["flat"], ["p"], axis=1)


# Choice


@pytest.mark.parametrize(
    ("nodes", "outputs", "chosen", "why"),
    [
        (
            [EMBEDDING, node("Identity", ["flat"], ["logits"])],
            ["embedding", "logits"],
            "logits",
            "names of the others",
        ),
        ([EMBEDDING, PROBS, node("Neg", ["embedding"], ["x"])], ["x", "p"], "p", "ends in an activation"),
        (
            [EMBEDDING, node("Identity", ["flat"], ["probabilities"])],
            ["embedding", "probabilities"],
            "probabilities",
            "names",
        ),
        (
            [node("Neg", ["flat"], ["aux_logits"]), node("Identity", ["flat"], ["logits"])],
            ["aux_logits", "logits"],
            "logits",
            "names",
        ),
        (
            [node("Relu", ["flat"], ["a"]), node("MatMul", ["a", "square"], ["b"])],
            ["a", "b"],
            "b",
            "computed from",
        ),
        ([PROBS, node("ReduceMax", ["p"], ["c"], axes=[1], keepdims=1)], ["c", "p"], "p", "single numbers"),
        (
            [PROBS, node("ArgMax", ["p"], ["label"], axis=1, keepdims=0)],
            ["label", "p"],
            "p",
            "single numbers",
        ),
        ([node("Identity", ["flat"], ["logits"]), PROBS], ["logits", "p"], "logits", "by its name"),
    ],
)
def test_the_scores_are_told_from_other_outputs(nodes, outputs, chosen, why):
    kinds = {"label": I64}
    constants = WIDE | {"square": np.eye(4, dtype=np.float32)}
    declared = [(name, kinds.get(name, F), None) for name in outputs]
    classifier = load(nodes, declared, constants)
    assert classifier.provenance()["output"] == chosen
    assert classifier.n_classes == 4
    assert why in classifier.cautions[0]


def test_where_nothing_tells_the_name_is_asked_for():
    nodes = [node("Softmax", ["flat"], ["age"], axis=1), node("Softmax", ["flat"], ["gender"], axis=1)]
    outputs = [("age", F, None), ("gender", F, None)]
    with pytest.raises(
        ModelError, match=r"2 outputs that may be the scores .*, and nothing tells which; .*--output"
    ):
        load(nodes, outputs)
    data = model(nodes, outputs)
    assert on_cpu(data, preprocess="unit", output="gender").cautions == ()


def test_the_choice_is_in_every_result():
    nodes = [EMBEDDING, node("Identity", ["flat"], ["logits"])]
    classifier = load(nodes, [("embedding", F, None), ("logits", F, None)], WIDE)
    explanation = explain(X[0], classifier, max_calls=30)
    assert "the scores are taken from the output 'logits' of embedding, logits" in " ".join(explanation.notes)


def test_detectors_are_named():
    boxes = {"boxes": np.zeros((2, 5, 4)), "scores": np.zeros((2, 5))}
    with pytest.raises(ModelError, match=r"gives boxes \(boxes\), as a detector does"):
        choose_output(boxes, 2, None, None)
    with pytest.raises(ModelError, match="its metadata says that it is a segmenter"):
        choose_output({"output0": np.zeros((2, 5, 8, 8), np.float32)}, 2, None, None, task="segment")


# What is no score


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        (
            [node("Slice", ["flat", "zero", "one", "one"], ["s"]), node("Softmax", ["s"], ["o"], axis=1)],
            "softmax over one number",
        ),
        ([node("Softmax", ["flat"], ["o"], axis=0)], "gives 1 for every class of every image"),
        (
            [node("Slice", ["flat", "zero", "one", "one"], ["s"]), node("Floor", ["s"], ["o"])],
            "one whole number an image, which is no score",
        ),
        (
            [
                node("TopK", ["flat", "three"], ["v", "i"], axis=1),
                node("Neg", ["v"], ["n"]),
                node("Neg", ["n"], ["o"]),
            ],
            "descending order",
        ),
    ],
)
def test_what_is_no_score_is_refused_with_its_cause(nodes, text):
    constants = {"zero": np.array([0]), "one": np.array([1]), "three": np.array([3])}
    with pytest.raises(ModelError, match=text):
        load(nodes, [("o", F, None)], constants)


def test_scores_that_depend_on_the_batch_are_asked_alone():
    nodes = [
        node("ReduceMean", ["flat"], ["centre"], axes=[0], keepdims=1),
        node("Mul", ["centre", "half"], ["part"]),
        node("Sub", ["flat", "part"], ["o"]),
    ]
    classifier = load(nodes, [("o", F, None)], {"half": np.float32(0.5)})
    assert classifier.fixed_batch == 1
    assert "depend on the others in its batch" in classifier.cautions[0]
    np.testing.assert_allclose(classifier(X), softmax(expected(X, gain=0.5)), atol=1e-6)


def test_answers_that_differ_from_call_to_call_are_noted():
    nodes = [node("RandomNormalLike", ["flat"], ["noise"]), node("Add", ["flat", "noise"], ["o"])]
    classifier = load(nodes, [("o", F, None)])
    assert ["differ from call to call" in note for note in classifier.cautions] == [True]
    assert classifier.fixed_batch is None


def test_a_quantity_is_noted_to_be_read_as_yes_or_no():
    constants = {"zero": np.array([0]), "one": np.array([1])}
    classifier = load(
        [node("Slice", ["flat", "zero", "one", "one"], ["years"])], [("years", F, None)], constants
    )
    assert classifier.scores == "binary"
    assert "if it is a quantity (an age, a price)" in classifier.cautions[0]


def test_the_same_for_every_image_is_noted():
    classifier = load([node("Mul", ["flat", "zero"], ["o"])], [("o", F, None)], {"zero": np.float32(0)})
    assert "gives 4 random images the same scores" in classifier.cautions[0]


def test_percentages_are_probabilities():
    nodes = [PROBS, node("Mul", ["p", "hundred"], ["m"]), node("Identity", ["m"], ["o"])]
    classifier = load(nodes, [("o", F, None)], {"hundred": np.float32(100)})
    assert classifier.scores == "probabilities"
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


# Labels, maps, whole numbers


@pytest.mark.parametrize("is_cast", [False, True])
def test_labels_are_explained(is_cast):
    nodes = [node("ArgMax", ["flat"], ["label"], axis=1, keepdims=int(is_cast))]
    nodes += [node("Cast", ["label"], ["o"], to=F)] if is_cast else [node("Identity", ["label"], ["o"])]
    classifier = on_cpu(
        model(nodes, [("o", F if is_cast else I64, None)]), preprocess="unit", labels=list(NAMES)
    )
    assert (classifier.scores, classifier.n_classes) == ("labels", 4)
    labels = expected(X).argmax(axis=1)
    np.testing.assert_array_equal(classifier(X), labels)
    explanation = explain(X[0], classifier, max_calls=60, baseline=(0, 0, 0))
    assert (explanation.label, explanation.name) == (labels[0], NAMES[labels[0]])
    with pytest.raises(OptionError, match="scores='labels' was given for a model with 4 outputs"):
        on_cpu(model([node("Neg", ["flat"], ["o"])], [("o", F, None)]), scores="labels")


def test_the_values_of_topk_are_no_classes_but_what_they_are_taken_from_is():
    nodes = [PROBS, node("TopK", ["p", "k"], ["values", "indices"], axis=1)]
    outputs = [("values", F, None), ("indices", I64, None)]
    for wanted in (None, "values"):
        classifier = on_cpu(model(nodes, outputs, {"k": np.array([3])}), preprocess="unit", output=wanted)
        np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)
        assert "only the best few (TopK)" in classifier.cautions[0]


def _custom_vision():
    """A label's text, and a list of maps from text to probability."""
    kind = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(F, []))
    nodes = [
        PROBS,
        node("ArgMax", ["p"], ["am"], axis=1),
        node(
            "LabelEncoder",
            ["am"],
            ["classLabel"],
            domain="ai.onnx.ml",
            keys_int64s=[0, 1, 2, 3],
            values_strings=list(NAMES),
        ),
        node("ZipMap", ["p"], ["loss"], domain="ai.onnx.ml", classlabels_strings=list(NAMES)),
    ]
    outputs = [
        ("classLabel", TensorProto.STRING, None),
        helper.make_value_info("loss", helper.make_sequence_type_proto(kind)),
    ]
    return nodes, outputs


def test_maps_are_read_with_their_names():
    classifier = load(*_custom_vision(), domains=["ai.onnx.ml"])
    assert (classifier.names, classifier.names_reason) == (NAMES, "the end of the graph")
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


def test_a_text_for_a_label_is_read_as_the_label():
    nodes, outputs = _custom_vision()
    classifier = load(nodes[:3], outputs[:1], domains=["ai.onnx.ml"])
    assert (classifier.scores, classifier.names) == ("labels", NAMES)
    np.testing.assert_array_equal(classifier(X), expected(X).argmax(axis=1))


@pytest.mark.parametrize(("dtype", "zero"), [(np.uint8, 0), (np.int8, -128)])
def test_quantised_scores_are_read_by_their_step(dtype, zero):
    nodes = [PROBS, node("QuantizeLinear", ["p", "step", "point"], ["o"])]
    constants = {"step": np.float32(1 / 255), "point": np.array(zero, dtype)}
    kind = TensorProto.UINT8 if dtype == np.uint8 else TensorProto.INT8
    classifier = load(nodes, [("o", kind, None)], constants)
    assert classifier.scores == "probabilities"
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1 / 255)
    explanation = explain(X[0], classifier, max_calls=60, baseline=(0, 0, 0))
    assert explanation.score == pytest.approx(softmax(expected(X)).max(axis=1)[0], abs=1 / 255)


# A label and how sure the model is of it

BEST = [
    node("ArgMax", ["p"], ["label"], axis=1, keepdims=0),
    node("ReduceMax", ["p"], ["confidence"], axes=[1], keepdims=0),
]


def test_the_best_score_beside_its_label_is_no_yes_or_no():
    classifier = load([PROBS, *BEST], [("label", I64, None), ("confidence", F, None)])
    assert classifier.scores == "probabilities"
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)
    assert "'confidence' has the score of the best label only" in classifier.notes[0]


def test_the_best_score_beside_the_name_of_its_label():
    named = node(
        "LabelEncoder", ["label"], ["name"], domain="ai.onnx.ml", keys_int64s=range(4), values_strings=NAMES
    )
    tall = node("Unsqueeze", ["confidence", "one"], ["tall"])
    outputs = [("tall", F, None), ("name", TensorProto.STRING, None)]
    classifier = load([PROBS, *BEST, named, tall], outputs, {"one": np.array([1])}, domains=["ai.onnx.ml"])
    assert (classifier.scores, classifier.names) == ("probabilities", NAMES)
    np.testing.assert_allclose(classifier(X), softmax(expected(X)), atol=1e-6)


def test_a_number_beside_the_label_that_it_was_looked_up_by():
    nodes = [
        PROBS,
        node("ArgMax", ["p"], ["label"], axis=1, keepdims=1),
        node("GatherElements", ["p", "label"], ["sure"], axis=1),
    ]
    classifier = load(nodes, [("sure", F, None), ("label", I64, None)])
    assert classifier.scores == "labels"
    np.testing.assert_array_equal(classifier(X), expected(X).argmax(axis=1))


def test_a_detectors_best_scores_stay():
    """Of three outputs nothing is replaced: boxes, scores and labels belong together."""
    outputs = [("label", I64, None), ("confidence", F, None), ("p", F, None)]
    assert [text.split()[0] for text in load([PROBS, *BEST], outputs).outputs] == ["label", "confidence", "p"]


# What comes behind an activation


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        (
            [
                node("Unsqueeze", ["s", "first"], ["u"]),
                node("Concat", ["u", "u"], ["both"], axis=0),
                node("ReduceMean", ["both"], ["o"], axes=[0], keepdims=0),
            ],
            {"first": np.array([0])},
        ),
        (
            [
                node("Unsqueeze", ["s", "sides"], ["u"]),
                node("GlobalAveragePool", ["u"], ["g"]),
                node("Flatten", ["g"], ["o"]),
            ],
            {"sides": np.array([2, 3])},
        ),
    ],
    ids=["ensemble", "places"],
)
def test_averages_of_sigmoids_are_probabilities_still(nodes, constants):
    classifier = load([node("Sigmoid", ["flat"], ["s"]), *nodes], [("o", F, None)], constants)
    assert classifier.scores == "sigmoid"
    np.testing.assert_allclose(classifier(X), 1 / (1 + np.exp(-expected(X))), atol=1e-6)


def test_scaled_logits_are_logits_wherever_they_lie():
    matrix = {
        "small": np.full((3, 4), 0.2, np.float32) * np.arange(1, 5, dtype=np.float32),
        "ten": np.float32(10),
    }
    nodes = [node("MatMul", ["mean", "small"], ["l"]), node("Div", ["l", "ten"], ["o"])]
    classifier = load(nodes, [("o", F, None)], matrix)
    assert classifier.scores == "logits"
    np.testing.assert_allclose(classifier(X).sum(axis=1), 1, atol=1e-6)
