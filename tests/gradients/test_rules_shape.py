"""Operations that move numbers, against differences; they are linear, so that the step may be large."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from differences import by_runtime, check, image, node, small_model, weights

MANY = settings(max_examples=30, deadline=None)
SHAPES = st.tuples(st.integers(1, 4), st.integers(2, 5), st.integers(2, 5))
SEEDS = st.integers(0, 2**16)


def check_linear(nodes, shape, constants=None, *, seed=0, opset=17):
    model = small_model(nodes, shape, constants, seed=seed, opset=opset)
    return check(model, image(shape, seed=seed), evaluate=by_runtime(model), step=0.25)


@given(SHAPES, SEEDS, st.permutations([0, 1, 2, 3]))
@MANY
def test_transpose(shape, seed, perm):
    nodes = [
        node("Transpose", "image", perm=perm, outputs=["turned"]),
        node("Transpose", "turned", perm=[perm.index(axis) for axis in range(4)], outputs=["back"]),
        node("Mul", "back", "w"),
    ]
    check_linear(nodes, shape, {"w": weights(*shape)}, seed=seed)


@given(SHAPES, SEEDS, st.sampled_from(["Flatten", "Reshape", "Unsqueeze", "Squeeze"]))
@MANY
def test_reshapes(shape, seed, op):
    constants = {"rows": np.array([0, -1]), "axis": np.array([2]), "first": np.array([1])}
    nodes = {
        "Flatten": [node("Flatten", "image")],
        "Reshape": [node("Reshape", "image", "rows")],
        "Unsqueeze": [node("Unsqueeze", "image", "axis")],
        "Squeeze": [node("Unsqueeze", "image", "first", outputs=["more"]), node("Squeeze", "more", "first")],
    }[op]
    check_linear(nodes, shape, constants, seed=seed)


@given(SHAPES, SEEDS, st.integers(1, 3), st.booleans())
@MANY
def test_concat_and_split(shape, seed, axis, is_uneven):
    assume(shape[axis - 1] >= 2)
    sizes = [1, shape[axis - 1] - 1] if is_uneven else [shape[axis - 1] - 1, 1]
    nodes = [
        node("Split", "image", "sizes", axis=axis, outputs=["a", "b"]),
        node("Mul", "b", "image_mean", outputs=["bb"]),
        node("Concat", "bb", "a", "c", "bb", axis=axis),
    ]
    nodes.insert(0, node("ReduceMean", "image", axes=[1, 2, 3], outputs=["image_mean"]))
    fixed = [2, *shape]
    fixed[axis] = 2
    nodes.insert(0, node("Slice", "image", "zero", "one", "third", outputs=["c"]))
    constants = {
        "sizes": np.array(sizes),
        "zero": np.array([0]),
        "one": np.array([1]),
        "third": np.array([axis]),
    }
    model = small_model(nodes, shape, constants, seed=seed)
    check(model, image(shape, seed=seed))


@given(SHAPES, SEEDS, st.integers(0, 1))
@MANY
def test_split_of_which_one_part_is_used(shape, seed, part):
    nodes = [node("Split", "image", "sizes", axis=2, outputs=["a", "b"]), node("Identity", "ab"[part])]
    check_linear(nodes, shape, {"sizes": np.array([1, shape[1] - 1])}, seed=seed)


STARTS = st.integers(-6, 6)


@given(SHAPES, SEEDS, st.integers(1, 3), STARTS, STARTS, st.sampled_from([1, 1, 2, 3, -1, -2]))
@MANY
def test_slice(shape, seed, axis, start, end, step):
    taken = np.arange(shape[axis - 1])[start:end:step]
    assume(len(taken))
    assume(not (step < 0 and end < -shape[axis - 1]))
    constants = {"s": np.array([start]), "e": np.array([end]), "a": np.array([axis]), "d": np.array([step])}
    check_linear([node("Slice", "image", "s", "e", "a", "d")], shape, constants, seed=seed)


@given(SHAPES, SEEDS, st.integers(1, 3))
@MANY
def test_slice_by_computed_sizes(shape, seed, axis):
    """As exporters write chunk(2): the size is halved in the graph."""
    nodes = [
        node("Shape", "image", outputs=["sizes"]),
        node("Gather", "sizes", "axis", axis=0, outputs=["n"]),
        node("Add", "n", "one", outputs=["more"]),
        node("Div", "more", "two", outputs=["half"]),
        node("Slice", "image", "zero", "half", "axis", outputs=["a"]),
        node("Slice", "image", "half", "n", "axis", outputs=["b"]),
        node("ReduceSum", "b", "others", outputs=["s"]),
        node("Mul", "a", "s"),
    ]
    constants = {
        "axis": np.array([axis]),
        "one": np.array([1]),
        "two": np.array([2]),
        "zero": np.array([0]),
        "others": np.array([1, 2, 3]),
    }
    model = small_model(nodes, shape, constants, seed=seed)
    check(model, image(shape, seed=seed))


@given(SHAPES, SEEDS, st.integers(1, 3), st.data())
@MANY
def test_gather(shape, seed, axis, data):
    n = shape[axis - 1]
    index = st.integers(-n, n - 1)
    indices = data.draw(
        st.one_of(
            index,
            st.lists(index, min_size=1, max_size=5),
            st.lists(st.lists(index, min_size=2, max_size=2), min_size=1, max_size=3),
        )
    )
    check_linear([node("Gather", "image", "i", axis=axis)], shape, {"i": np.array(indices)}, seed=seed)


@given(SHAPES, SEEDS, st.integers(1, 3))
@MANY
def test_gather_elements_and_scatter(shape, seed, axis):
    random = np.random.default_rng(seed)
    constants = {
        "i": random.integers(0, shape[axis - 1], (2, *shape)),
        "w": weights(2, *shape),
        "distinct": np.broadcast_to(np.arange(1), (2, *shape)).copy(),
    }
    nodes = [
        node("GatherElements", "image", "i", axis=axis, outputs=["taken"]),
        node("Mul", "taken", "w", outputs=["weighed"]),
        node("ScatterElements", "image", "i", "weighed", axis=axis, reduction="add"),
    ]
    from differences import session_free

    session_free(nodes, shape, constants, seed)


@given(SHAPES, SEEDS)
@MANY
def test_gather_nd_in_batches_and_scatter_nd(shape, seed):
    random = np.random.default_rng(seed)
    places = np.stack([random.integers(0, n, (2, 3)) for n in shape], axis=-1)
    rows = np.concatenate([np.broadcast_to(np.arange(2)[:, None, None], (2, 3, 1)), places], axis=-1)
    first = np.unique(rows.reshape(-1, 4), axis=0)
    constants = {"i": places, "rows": first, "w": weights(len(first))}
    nodes = [
        node("GatherND", "image", "i", batch_dims=1, outputs=["some"]),
        node("GatherND", "image", "rows", outputs=["more"]),
        node("Mul", "more", "w", outputs=["weighed"]),
        node("ScatterND", "image", "rows", "weighed", outputs=["put"]),
        node("ReduceSum", "some", outputs=["total"], keepdims=0),
        node("Add", "put", "total"),
    ]
    from differences import session_free

    session_free(nodes, shape, constants, seed)


@given(SHAPES, SEEDS)
@MANY
def test_gather_nd_in_an_open_batch(shape, seed):
    """As exporters write a diagonal: the same places of each image, repeated for as many as there are."""
    places = np.stack([np.random.default_rng(seed).integers(0, n, (1, 4)) for n in shape], axis=-1)
    nodes = [
        node("Shape", "image", outputs=["rows"], start=0, end=1),
        node("Concat", "rows", "some", outputs=["size"], axis=0),
        node("Expand", "places", "size", outputs=["i"]),
        node("GatherND", "image", "i", batch_dims=1),
    ]
    check_linear(nodes, shape, {"places": places, "some": np.array([4, 3])}, seed=seed)


@given(SHAPES, SEEDS, st.lists(st.integers(1, 3), min_size=3, max_size=3))
@MANY
def test_tile(shape, seed, repeats):
    check_linear([node("Tile", "image", "r")], shape, {"r": np.array([1, *repeats])}, seed=seed)


@given(SHAPES, SEEDS, st.integers(1, 3))
@MANY
def test_expand(shape, seed, axis):
    full = [1, *shape]
    nodes = [node("ReduceMean", "image", axes=[axis], outputs=["small"]), node("Expand", "small", "full")]
    check_linear(nodes, shape, {"full": np.array(full)}, seed=seed)


@given(
    SHAPES,
    SEEDS,
    st.lists(st.integers(-1, 2), min_size=6, max_size=6),
    st.sampled_from(["constant", "reflect", "edge", "wrap"]),
)
@MANY
def test_pad(shape, seed, pads, mode):
    if mode != "constant":
        pads = [max(p, 0) for p in pads]
    if mode == "reflect":
        assume(all(p < n for p, n in zip(pads, shape * 2, strict=True)))
    if mode == "wrap":
        assume(all(p <= n for p, n in zip(pads, shape * 2, strict=True)))
    assume(all(n + a + b > 0 for n, a, b in zip(shape, pads[:3], pads[3:], strict=True)))
    full = [0, *pads[:3], 0, *pads[3:]]
    constants = {"p": np.array(full), "v": np.float32(0.3)}
    check_linear([node("Pad", "image", "p", "v", mode=mode)], shape, constants, seed=seed, opset=19)


@given(
    st.integers(1, 2), st.integers(1, 3), st.integers(2, 3), SEEDS, st.sampled_from(["DCR", "CRD", "back"])
)
@MANY
def test_pixel_shuffles(channels, side, block, seed, mode):
    if mode == "back":
        shape = (channels, side * block, block)
        check_linear([node("SpaceToDepth", "image", blocksize=block)], shape, seed=seed)
    else:
        shape = (channels * block**2, side, 2)
        check_linear([node("DepthToSpace", "image", blocksize=block, mode=mode)], shape, seed=seed)


@given(SHAPES, SEEDS, st.integers(0, 1), st.integers(-1, 1))
@MANY
def test_triangles(shape, seed, upper, k):
    check_linear([node("Trilu", "image", "k", upper=upper)], shape, {"k": np.array(k)}, seed=seed)


MODES = [
    {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
    {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
    {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"},
    {"mode": "cubic", "coordinate_transformation_mode": "half_pixel", "cubic_coeff_a": -0.5},
    {"mode": "linear", "coordinate_transformation_mode": "half_pixel", "antialias": 1},
]


@pytest.mark.parametrize("how", MODES)
@given(
    st.tuples(st.integers(1, 2), st.integers(2, 6), st.integers(2, 6)),
    st.integers(2, 9),
    st.integers(2, 9),
    st.booleans(),
    SEEDS,
)
@MANY
def test_resize(how, shape, rows, columns, is_scaled, seed):
    if is_scaled:
        constants = {"t": np.array([1, 1, rows / 4, columns / 4], np.float32)}
        assume(min(shape[1] * rows // 4, shape[2] * columns // 4) >= 1)
        made = node("Resize", "image", "", "t", **how)
    else:
        constants = {"t": np.array([1, shape[0], rows, columns])}
        made = node("Resize", "image", "", "", "t", **how)
        nodes = [
            node("Shape", "image", start=0, end=1, outputs=["n"]),
            node("Concat", "n", "rest", axis=0, outputs=["t"]),
            made,
        ]
        check_linear(nodes, shape, {"rest": np.array([shape[0], rows, columns])}, seed=seed, opset=18)
        return
    check_linear([made], shape, constants, seed=seed, opset=18)


@given(SHAPES, SEEDS, st.booleans(), st.data())
@MANY
def test_sequences_that_are_reversed(shape, seed, is_time_last, data):
    """Also by lengths that differ from row to row of what is reversed."""
    axes = {"batch_axis": 1, "time_axis": 2} if is_time_last else {"batch_axis": 2, "time_axis": 1}
    n, length = shape[axes["batch_axis"] - 1], shape[axes["time_axis"] - 1]
    lengths = data.draw(st.lists(st.integers(1, length), min_size=n, max_size=n))
    # It takes tensors whose batch and time come first.
    swap = {"perm": [axes["batch_axis"], axes["time_axis"], 0, 3]}
    nodes = [
        node("Transpose", "image", outputs=["a"], **swap),
        node("ReverseSequence", "a", "lengths", outputs=["b"], batch_axis=0, time_axis=1),
        node("Transpose", "b", perm=[2, 0, 1, 3]),
    ]
    check_linear(nodes, shape, {"lengths": np.array(lengths)}, seed=seed)


def test_a_size_that_is_whole_by_rounding_only():
    """Of 20 by 1.3 ONNX Runtime makes 26, and ONNX infers 25."""
    nodes = [
        node("Resize", "image", "", "scales", outputs=["z"], mode="linear"),
        node("Mul", "z", "z"),
    ]
    scales = np.array([1, 1, 1.3, 1.3], np.float32)
    model = small_model(nodes, (1, 20, 24), {"scales": scales})
    check(model, image((1, 20, 24)), evaluate=by_runtime(model), step=1e-2)
