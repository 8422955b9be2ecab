"""Models that keep parts of themselves as functions, as PyTorch's exporters do with modules."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from dccausal.inputs.preprocess import PRESETS
from dccausal.onnx.graph.functions import written_out
from dccausal.onnx.graph.graph import Graph
from small_models import build, expected, images, on_cpu, softmax

DOMAIN = "own"
OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)]


def _function(name, inputs, outputs, nodes):
    made = [helper.make_node(op, *sides, **more) for op, *sides, more in nodes]
    return helper.make_function(DOMAIN, name, inputs, outputs, made, OPSETS)


def _calling(before, after=()):
    """A model whose image goes through the functions ``before``, and its scores through ``after``."""
    model = onnx.load_from_string(build(size=(32, 32)))
    at = "image"
    calls = []
    for name in before:
        calls.append(helper.make_node(name, [at], [f"called_{name}"], domain=DOMAIN))
        at = f"called_{name}"
    for node in model.graph.node:
        node.input[:] = [at if name == "image" else name for name in node.input]
    for call in reversed(calls):
        model.graph.node.insert(0, call)
    last = model.graph.node[-1]
    for name in after:
        last.output[0] = f"before_{name}"
        model.graph.node.append(helper.make_node(name, [f"before_{name}"], ["scores"], domain=DOMAIN))
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return model


SCALE = _function(
    "Scale", ["x"], ["y"], [("Constant", [], ["c"], {"value_float": 255.0}), ("Div", ["x", "c"], ["y"], {})]
)
OUTER = _function(
    "Outer", ["c"], ["x"], [("Scale", ["c"], ["x"], {"domain": DOMAIN})]
)  # names of the inner one
ACTIVATION = _function("Activation", ["x"], ["y"], [("Sigmoid", ["x"], ["y"], {})])


@pytest.mark.parametrize("before", [["Scale"], ["Outer"]])
def test_a_normalisation_in_a_function(before):
    model = _calling(before)
    model.functions.extend([SCALE, OUTER])
    classifier = on_cpu(model.SerializeToString())
    assert classifier.preprocess == PRESETS["raw"].with_size((32, 32))
    photos = images(3, (32, 32))
    np.testing.assert_allclose(classifier(photos), softmax(expected(photos)), atol=1e-5)


def test_an_activation_in_a_function():
    model = _calling([], ["Activation"])
    model.functions.append(ACTIVATION)
    classifier = on_cpu(model.SerializeToString())
    assert (classifier.scores, classifier.scores_reason) == ("sigmoid", "the graph ends in Sigmoid")


def test_a_graph_without_functions_is_itself():
    graph = Graph.read(memoryview(build()))
    assert written_out(graph) is graph


@pytest.mark.parametrize("leaf", [[], [("Identity", ["x"], ["y"], {})]])
def test_functions_that_stand_for_millions_are_left(leaf):
    """Each calls the next a hundred times; the last does nothing, or little."""
    model = _calling(["F0"])
    for i in range(6):
        call = (f"F{i + 1}", ["x"], ["y"], {"domain": DOMAIN})
        model.functions.append(_function(f"F{i}", ["x"], ["y"], [call] * 100 if i < 5 else leaf))
    graph = Graph.read(memoryview(model.SerializeToString()))
    assert written_out(graph) is graph


def test_a_function_that_calls_itself_is_left():
    model = _calling(["Again"])
    model.functions.append(_function("Again", ["x"], ["y"], [("Again", ["x"], ["y"], {"domain": DOMAIN})]))
    graph = Graph.read(memoryview(model.SerializeToString()))
    assert written_out(graph) is graph
