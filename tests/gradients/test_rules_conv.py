"""Convolutions and pools against differences in float64, over strides, pads, dilations, groups and odd sizes."""

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from dccausal.errors import ModelError
from dccausal.gradients import gradient_model
from differences import by_runtime, by_runtime_in_float64, check, image, node, session, small_model, weights

MANY = settings(max_examples=40, deadline=None)
PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
SEEDS = st.integers(0, 2**16)
SIZES = st.tuples(st.integers(4, 9), st.integers(4, 9))
AUTO = st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])


def fits(size, kernel, dilations, pads):
    n = len(size)
    return all(size[i] + pads[i] + pads[n + i] > (kernel[i] - 1) * dilations[i] for i in range(n))


@contextmanager
def refused_where_it_steps_over(*, is_possible):
    """Some few pools that round up, by strides beyond the last row, have no gradient: ONNX contradicts its runtime."""
    try:
        yield
    except ModelError as error:
        if not is_possible or "rounds up and steps over the last" not in str(error):
            raise
        reject()


@given(
    SIZES,
    PAIRS,
    PAIRS,
    PAIRS,
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
    AUTO,
    st.sampled_from([(1, 2, 3), (2, 4, 2), (3, 3, 3), (2, 2, 4)]),
    st.booleans(),
    st.booleans(),
    SEEDS,
)
@MANY
def test_conv(size, kernel, strides, dilations, pads, auto, groups, has_bias, is_open, seed):
    group, into, out = groups
    assume(into % group == 0 and out % group == 0)
    assume(fits(size, kernel, dilations, pads if auto == "NOTSET" else [0] * 4))
    assume(dilations == (1, 1) or not auto.startswith("SAME"))
    assume(all(k >= s for k, s in zip(kernel, strides, strict=True)) or not auto.startswith("SAME"))
    is_open = is_open and auto == "NOTSET"
    how = {"pads": pads} if auto == "NOTSET" else {"auto_pad": auto}
    made = node(
        "Conv",
        "image",
        "w",
        *(["b"] if has_bias else []),
        strides=strides,
        dilations=dilations,
        group=group,
        **how,
    )
    constants = {"w": weights(out, into // group, *kernel, seed=seed), "b": weights(out)}
    nodes = [made]
    if is_open:  # then the head needs a fixed number of columns
        nodes = [
            node(
                "Conv", "image", "w", outputs=["z"], strides=strides, dilations=dilations, group=group, **how
            ),
            node("Mul", "z", "z", outputs=["zz"]),
            node("GlobalAveragePool", "zz"),
        ]
    model = small_model(nodes, (into, *size), constants, open_size=is_open, seed=seed)
    x = image((into, *size), seed=seed)
    check(
        model,
        x,
        evaluate=None if is_open else by_runtime(model),
        step=STEP_OF_LINEAR if not is_open else 1e-6,
        **({"size": size} if is_open else {}),
    )


STEP_OF_LINEAR = 0.25


@given(st.integers(5, 9), st.integers(1, 3), st.integers(1, 2), st.integers(0, 1), SEEDS)
@MANY
def test_conv_along_one_axis(size, kernel, stride, pad, seed):
    nodes = [
        node("Reshape", "image", "rows", outputs=["flat"]),
        node("Conv", "flat", "w", strides=[stride], pads=[pad, pad]),
    ]
    constants = {"rows": np.array([0, 2, -1]), "w": weights(3, 2, kernel, seed=seed)}
    model = small_model(nodes, (2, size, 2), constants, seed=seed)
    check(model, image((2, size, 2), seed=seed), evaluate=by_runtime(model), step=STEP_OF_LINEAR)


@given(
    st.tuples(st.integers(2, 5), st.integers(2, 5)),
    PAIRS,
    PAIRS,
    PAIRS,
    st.lists(st.integers(0, 1), min_size=4, max_size=4),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.sampled_from([(1, 2, 3), (2, 4, 2), (2, 2, 2)]),
    st.sampled_from(["pads", "upper", "lower", "shape"]),
    SEEDS,
)
@MANY
def test_conv_transpose(size, kernel, strides, dilations, pads, extra, groups, how, seed):
    group, into, out = groups
    assume(all(e < max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)))
    full = [
        s * (n - 1) + (k - 1) * d + 1 for n, s, k, d in zip(size, strides, kernel, dilations, strict=True)
    ]
    assume(all(full[i] + extra[i] - pads[i] - pads[2 + i] > 0 for i in range(2)))
    given_by = {
        "pads": {"pads": pads, "output_padding": extra},
        "upper": {"auto_pad": "SAME_UPPER"},
        "lower": {"auto_pad": "SAME_LOWER"},
        "shape": {"output_shape": [max(n - 1, 1) for n in full]},
    }[how]
    if how in ("upper", "lower"):
        assume(all((k - 1) * d + 1 >= s for k, d, s in zip(kernel, dilations, strides, strict=True)))
    made = node(
        "ConvTranspose", "image", "w", "b", strides=strides, dilations=dilations, group=group, **given_by
    )
    constants = {"w": weights(into, out // group, *kernel, seed=seed), "b": weights(out)}
    model = small_model([made], (into, *size), constants, seed=seed)
    try:
        check(model, image((into, *size), seed=seed), evaluate=by_runtime(model), step=STEP_OF_LINEAR)
    except Exception as error:
        # ONNX Runtime takes some values of output_shape for the whole shape, beside any other operation.
        assume(how != "shape" or "attempting to re-use buffer" not in str(error))
        raise


@given(
    SIZES,
    PAIRS,
    PAIRS,
    PAIRS,
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
    AUTO,
    st.booleans(),
    SEEDS,
)
@MANY
def test_max_pool(size, kernel, strides, dilations, pads, auto, ceil, seed):
    pads = [p % k for p, k in zip(pads, kernel * 2, strict=True)]  # less than the kernel
    assume(fits(size, kernel, dilations, [0] * 4))
    how = {"pads": pads, "ceil_mode": int(ceil)} if auto == "NOTSET" else {"auto_pad": auto}
    made = node("MaxPool", "image", kernel_shape=kernel, strides=strides, dilations=dilations, **how)
    model = small_model([made], (2, *size), seed=seed)
    distinct = np.random.default_rng(seed).permutation(2 * 2 * size[0] * size[1]).reshape(2, 2, *size) / 10
    with refused_where_it_steps_over(is_possible=bool(ceil)):
        check(model, distinct, evaluate=by_runtime_in_float64(model))


@given(
    SIZES,
    PAIRS,
    PAIRS,
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
    AUTO,
    st.booleans(),
    st.booleans(),
    SEEDS,
)
@MANY
def test_average_pool(size, kernel, strides, pads, auto, ceil, counts_pads, seed):
    pads = [p % k for p, k in zip(pads, kernel * 2, strict=True)]  # less than the kernel
    assume(fits(size, kernel, (1, 1), [0] * 4))
    how = {"pads": pads, "ceil_mode": int(ceil)} if auto == "NOTSET" else {"auto_pad": auto}
    made = node(
        "AveragePool",
        "image",
        kernel_shape=kernel,
        strides=strides,
        count_include_pad=int(counts_pads),
        **how,
    )
    model = small_model([made], (2, *size), seed=seed)
    with refused_where_it_steps_over(is_possible=bool(ceil)):
        check(model, image((2, *size), seed=seed), evaluate=by_runtime(model), step=STEP_OF_LINEAR)


def test_pools_that_round_up_beyond_their_pads():
    """Three that hypothesis found: a window that begins in the pads, beside one that reaches beyond them."""
    for kernel, size, pads in [
        ((1, 2), (5, 4), [0, 1, 0, 0]),
        ((2, 2), (5, 3), [0, 1, 1, 1]),
        ((2, 2), (4, 4), [1, 1, 1, 0]),
    ]:
        made = node(
            "AveragePool",
            "image",
            kernel_shape=kernel,
            strides=(2, 2),
            pads=pads,
            ceil_mode=1,
            count_include_pad=1,
        )
        model = small_model([made], (2, *size))
        check(model, image((2, *size)), evaluate=by_runtime(model), step=STEP_OF_LINEAR)
    made = node(
        "AveragePool",
        "image",
        kernel_shape=(1, 2),
        strides=(2, 2),
        pads=[0, 1, 0, 0],
        ceil_mode=1,
        count_include_pad=1,
    )
    with pytest.raises(ModelError, match=r"AveragePool .* rounds up and steps over the last"):
        gradient_model(small_model([made], (2, 4, 4)), image="image")


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("GlobalAveragePool", {}),
        ("GlobalMaxPool", {}),
        ("GlobalLpPool", {}),
        ("GlobalLpPool", {"p": 3}),
    ],
)
@given(SIZES, SEEDS)
@MANY
def test_global_pools(op, attributes, size, seed):
    model = small_model([node(op, "image", **attributes)], (3, *size), seed=seed)
    x = image((3, *size), seed=seed)
    if "Lp" in op:  # which the package onnx does not evaluate
        check(model, x, evaluate=by_runtime(model), step=2e-3, tolerance=2e-3)
    else:
        check(model, x)


@given(SIZES, PAIRS, PAIRS, SEEDS)
@MANY
def test_lp_pool(size, kernel, strides, seed):
    made = node("LpPool", "image", kernel_shape=kernel, strides=strides)
    model = small_model([made], (2, *size), seed=seed)
    check(model, image((2, *size), seed=seed, low=0.5), evaluate=by_runtime(model), step=2e-3, tolerance=2e-3)


def test_equal_maxima_give_it_to_the_first():
    model = small_model([node("MaxPool", "image", kernel_shape=[2, 2], strides=[2, 2])], (1, 2, 2))
    found = session_gradient(model, np.zeros((1, 1, 2, 2)))
    assert np.count_nonzero(found) == 1
    assert found[0, 0, 0, 0] != 0


def session_gradient(model, x):
    from dccausal.gradients import gradient_model

    built = gradient_model(model, image="image")
    feed = {"image": x.astype(np.float32), "target": np.zeros(len(x), np.int64)}
    return session(built).run(["gradient"], feed)[0]


@given(
    SIZES,
    PAIRS,
    PAIRS,
    PAIRS,
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
    st.sampled_from([(1, 2, 3), (2, 4, 2), (2, 2, 4)]),
    st.booleans(),
    SEEDS,
)
@MANY
def test_conv_by_weights_that_are_computed(size, kernel, strides, dilations, pads, groups, is_square, seed):
    """Weights that the image gives, and a second reading of it by the input: their gradients add up."""
    group, into, out = groups
    assume(fits(size, kernel, dilations, pads))
    shape = (out, into // group, *kernel)
    how = {"strides": strides, "dilations": dilations, "pads": pads, "group": group}
    nodes = [
        node("ReduceMean", "image", outputs=["means"], axes=[0, 2, 3], keepdims=0),
        node("MatMul", "means", "spread", outputs=["flat"]),
        node("Reshape", "flat", "shape of w", outputs=["w"]),
        node("Conv", "image", "w", outputs=["y" if not is_square else "z"], **how),
        *([node("Mul", "z", "z")] if is_square else []),
    ]
    constants = {"spread": weights(into, int(np.prod(shape)), seed=seed), "shape of w": np.array(shape)}
    model = small_model(nodes, (into, *size), constants, seed=seed)
    check(model, image((into, *size), n=1, seed=seed))


@given(
    st.tuples(st.integers(2, 3), st.integers(2, 3)),
    PAIRS,
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.lists(st.integers(0, 1), min_size=4, max_size=4),
    SEEDS,
)
@MANY
def test_columns_to_image(block, strides, dilations, pads, seed):
    counts = (3, 2)
    sides = [
        (counts[i] - 1) * strides[i] + (block[i] - 1) * dilations[i] + 1 - pads[i] - pads[2 + i]
        for i in (0, 1)
    ]
    assume(min(sides) > 0)
    shape = (2 * block[0] * block[1], counts[0], counts[1])
    nodes = [
        node("Reshape", "image", "columns", outputs=["z"]),
        node("Col2Im", "z", "sides", "block", strides=strides, dilations=dilations, pads=pads),
    ]
    constants = {
        "columns": np.array([0, shape[0], counts[0] * counts[1]]),
        "sides": np.array(sides),
        "block": np.array(block),
    }
    model = small_model(nodes, shape, constants, seed=seed, opset=18)
    check(model, image(shape, seed=seed), evaluate=by_runtime(model), step=STEP_OF_LINEAR)
