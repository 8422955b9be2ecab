"""Functions of one number, and arithmetic with broadcasting, against differences in float64."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dccausal.gradients import gradient_model
from differences import check, image, node, session, small_model, weights

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
SEEDS = st.integers(0, 2**16)
MANY = settings(max_examples=30, deadline=None)

# (operation, attributes, lowest and highest input, opset)
FUNCTIONS = [
    ("Relu", {}, -2, 2, 17),
    ("LeakyRelu", {"alpha": 0.3}, -2, 2, 17),
    ("ThresholdedRelu", {"alpha": 0.4}, -2, 2, 17),
    ("Elu", {"alpha": 0.7}, -2, 2, 17),
    ("Selu", {}, -2, 2, 17),
    ("Celu", {"alpha": 0.6}, -2, 2, 17),
    ("Sigmoid", {}, -4, 4, 17),
    ("Tanh", {}, -2, 2, 17),
    ("Erf", {}, -2, 2, 17),
    ("Gelu", {}, -3, 3, 20),
    ("Gelu", {"approximate": "tanh"}, -3, 3, 20),
    ("HardSigmoid", {"alpha": 0.25, "beta": 0.4}, -3, 3, 17),
    ("HardSwish", {}, -5, 5, 17),
    ("Softplus", {}, -3, 3, 17),
    ("Softsign", {}, -3, 3, 17),
    ("Mish", {}, -3, 3, 18),
    ("Sqrt", {}, 0.2, 4, 17),
    ("Exp", {}, -2, 2, 17),
    ("Log", {}, 0.2, 4, 17),
    ("Abs", {}, -2, 2, 17),
    ("Neg", {}, -2, 2, 17),
    ("Reciprocal", {}, 0.3, 3, 17),
    ("Sin", {}, -3, 3, 17),
    ("Cos", {}, -3, 3, 17),
    ("Tan", {}, -1, 1, 17),
    ("Asin", {}, -0.9, 0.9, 17),
    ("Acos", {}, -0.9, 0.9, 17),
    ("Atan", {}, -2, 2, 17),
    ("Sinh", {}, -2, 2, 17),
    ("Cosh", {}, -2, 2, 17),
    ("Asinh", {}, -2, 2, 17),
    ("Acosh", {}, 1.2, 4, 17),
    ("Atanh", {}, -0.9, 0.9, 17),
    ("Shrink", {"lambd": 0.7, "bias": 0.2}, -2, 2, 17),
    ("Identity", {}, -2, 2, 17),
    ("Dropout", {}, -2, 2, 17),
    ("Cast", {"to": 1}, -2, 2, 17),
]


@pytest.mark.parametrize(("op", "attributes", "low", "high", "opset"), FUNCTIONS)
@given(SHAPES, SEEDS)
@MANY
def test_functions_of_one_number(op, attributes, low, high, opset, shape, seed):
    model = small_model([node(op, "image", **attributes)], shape, opset=opset, seed=seed)
    check(model, image(shape, seed=seed, low=low, high=high))


@given(SHAPES, SEEDS, st.sampled_from([(0.0, 6.0), (-1.0, None), (None, 0.5), (None, None)]))
@MANY
def test_clip(shape, seed, bounds):
    constants = {
        name: np.float32(b) for name, b in zip(("low", "high"), bounds, strict=True) if b is not None
    }
    inputs = [name if name in constants else "" for name in ("low", "high")]
    model = small_model([node("Clip", "image", *inputs)], shape, constants, seed=seed)
    check(model, image(shape, seed=seed, low=-3, high=8))


@pytest.mark.parametrize(
    "op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "PRelu", "Mean", "Sum", "Mod"]
)
@given(SHAPES, SEEDS, st.lists(st.booleans(), min_size=4, max_size=4), st.integers(0, 3), st.booleans())
@MANY
def test_two_operands_with_broadcasting(op, shape, seed, is_one, n_dropped, is_second):
    """The image against a constant of broadcast shape, on either side."""
    full = [1 if one else n for one, n in zip(is_one[1:], shape, strict=True)]
    constant = np.random.default_rng(seed).uniform(0.5, 2, full[n_dropped:]).astype(np.float32)
    is_second = is_second and op not in ("PRelu", "Mod", "Pow")
    inputs = ("other", "image") if is_second else ("image", "other")
    attributes = {"fmod": 1} if op == "Mod" else {}
    model = small_model([node(op, *inputs, **attributes)], shape, {"other": constant}, seed=seed)
    check(model, image(shape, seed=seed, low=0.3, high=3))


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Mean", "Sum", "PRelu"])
@given(SHAPES, SEEDS, st.lists(st.booleans(), min_size=3, max_size=3), st.booleans())
@MANY
def test_two_operands_that_both_follow_the_image(op, shape, seed, is_one, is_second):
    """One of them is a mean over some axes, so that it is broadcast back."""
    axes = [1 + axis for axis, one in enumerate(is_one) if one]
    assume(axes)
    small = node("ReduceMean", "image", outputs=["small"], axes=axes, keepdims=1)
    inputs = ("small", "image") if is_second else ("image", "small")
    assume(not (op == "PRelu" and is_second))
    model = small_model([small, node(op, *inputs)], shape, seed=seed)
    low = -2 if op == "PRelu" else 0.3
    check(model, image(shape, seed=seed, low=low, high=2))


@given(SHAPES, SEEDS, st.sampled_from([0.5, 2.0, 3.0, -1.0]), st.booleans())
@MANY
def test_fixed_powers_and_squares_by_products(shape, seed, power, is_product):
    made = node("Mul", "image", "image") if is_product else node("Pow", "image", "power")
    model = small_model([made], shape, {"power": np.float32(power)}, seed=seed)
    check(model, image(shape, seed=seed, low=0.3, high=2))


@given(SHAPES, SEEDS, st.booleans())
@MANY
def test_where(shape, seed, is_swapped):
    nodes = [
        node("Greater", "image", "limit", outputs=["is_large"]),
        node("Mul", "image", "image", outputs=["square"]),
        node("Where", "is_large", *(("other", "square") if is_swapped else ("square", "other"))),
    ]
    constants = {"limit": np.float32(0.4), "other": weights(shape[2], seed=seed)}
    check(small_model(nodes, shape, constants, seed=seed), image(shape, seed=seed))


@pytest.mark.parametrize(
    "made",
    [
        [node("Mul", "image", "image", outputs=["square"]), node("Sqrt", "square")],
        [node("Mul", "image", "image", outputs=["square"]), node("Pow", "square", "half")],
        [node("LpPool", "image", kernel_shape=[1, 2])],
        [node("GlobalLpPool", "image")],
    ],
    ids=["Sqrt", "Pow", "LpPool", "GlobalLpPool"],
)
def test_the_root_of_nothing_has_the_slope_nothing(made):
    """So that a channel without any activation does not spoil the gradient of all others."""
    model = small_model(made, (2, 3, 4), {"half": np.float32(0.5)})
    x = image((2, 3, 4), n=1, low=0.5)
    x[0, 1] = 0
    found = session(gradient_model(model)).run(["gradient"], {"image": x, "target": np.array([1])})[0]
    assert np.isfinite(found).all()
    assert not found[0, 1].any()
    assert found[0, 0].all()
