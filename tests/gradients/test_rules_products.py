"""Matrix products, reductions, normalisations and quantised operations."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from differences import by_runtime, check, image, node, small_model, weights

MANY = settings(max_examples=30, deadline=None)
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
SEEDS = st.integers(0, 2**16)


@given(SHAPES, SEEDS, st.integers(1, 4), st.sampled_from(["2d", "vector", "batched", "left", "left vector"]))
@MANY
def test_matmul_with_a_constant(shape, seed, n, kind):
    c, h, w = shape
    constant = {
        "2d": weights(w, n), "vector": weights(w), "batched": weights(c, w, n),
        "left": weights(n, h), "left vector": weights(h),
    }[kind]  # fmt: skip
    inputs = ("m", "image") if kind.startswith("left") else ("image", "m")
    check(small_model([node("MatMul", *inputs)], shape, {"m": constant}, seed=seed), image(shape, seed=seed))


@given(SHAPES, SEEDS, st.booleans(), st.booleans())
@MANY
def test_matmul_of_two_computed_tensors(shape, seed, is_averaged, is_flipped):
    """As in attention; one side may be shared by all channels."""
    nodes = [node("Transpose", "image", perm=[0, 1, 3, 2], outputs=["turned"])]
    other = "turned"
    if is_averaged:
        nodes.append(node("ReduceMean", "turned", axes=[1], outputs=["shared"]))
        other = "shared"
    nodes.append(node("MatMul", *((other, "image") if is_flipped else ("image", other))))
    check(small_model(nodes, shape, seed=seed), image(shape, seed=seed))


@given(st.integers(1, 5), st.integers(1, 4), SEEDS, st.booleans(), st.booleans(), st.booleans())
@MANY
def test_gemm(n_in, n_out, seed, trans_b, trans_a, has_bias):
    nodes = [node("Flatten", "image", outputs=["flat"])]
    first = "flat"
    if trans_a:
        nodes.append(node("Transpose", "flat", perm=[1, 0], outputs=["turned"]))
        first = "turned"
    nodes.append(
        node(
            "Gemm",
            first,
            "w",
            *(["b"] if has_bias else []),
            transA=int(trans_a),
            transB=int(trans_b),
            alpha=0.7,
            beta=1.3,
        )
    )
    constants = {"w": weights(n_out, n_in) if trans_b else weights(n_in, n_out), "b": weights(n_out)}
    check(small_model(nodes, (n_in, 1, 1), constants, seed=seed), image((n_in, 1, 1), seed=seed))


@given(st.integers(1, 3), SEEDS, st.integers(0, 1), st.integers(0, 1))
@MANY
def test_gemm_of_computed_matrices(n, seed, trans_a, trans_b):
    """All three operands follow the image, which is one row of a batch here."""
    nodes = [
        node("Reshape", "image", "square", outputs=["a"]),
        node("Mul", "a", "a", outputs=["b"]),
        node("ReduceSum", "a", "first", keepdims=0, outputs=["c"]),
        node("Gemm", "a", "b", "c", transA=trans_a, transB=trans_b, alpha=0.5, beta=2.0, outputs=["z"]),
        node("Reshape", "z", "back"),
    ]
    constants = {"square": np.array([n, n]), "first": np.array([0]), "back": np.array([1, n * n])}
    from onnx import TensorProto, helper, numpy_helper

    given_ = [numpy_helper.from_array(v, k) for k, v in constants.items()]
    given_.append(numpy_helper.from_array(weights(n * n, 2, seed=seed), "head"))
    nodes.append(helper.make_node("MatMul", ["y", "head"], ["scores"]))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("image", TensorProto.FLOAT, [1, 1, n, n])],
        [value("scores", TensorProto.FLOAT, [1, 2])],
        given_,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    check(model, image((1, n, n), n=1, seed=seed))


@pytest.mark.parametrize(
    "equation",
    ["nchw,cd->nhwd", "nchw,nchw->nc", "nchw,w->nch", "nchw->nhw", "nchw,nchv->nwv", "...w,wd->...d"],
)
@given(SHAPES, SEEDS)
@MANY
def test_einsum(equation, shape, seed):
    second = equation.partition("->")[0].partition(",")[2]
    sizes = dict(zip("chw", shape, strict=True)) | {"d": 2, "v": shape[2]}
    is_constant = second and "n" not in second
    if "v" in second:
        assume(shape[2] > 0)
    constants = {"m": weights(*(sizes[c] for c in second))} if is_constant else {}
    inputs = ["image"] + ([] if not second else ["m"] if is_constant else ["image"])
    check(
        small_model([node("Einsum", *inputs, equation=equation)], shape, constants, seed=seed),
        image(shape, seed=seed),
    )


REDUCTIONS = ["Sum", "Mean", "Max", "Min", "L1", "L2", "SumSquare", "LogSum", "LogSumExp", "Prod"]


@pytest.mark.parametrize("kind", REDUCTIONS)
@given(SHAPES, SEEDS, st.sets(st.integers(1, 3), min_size=1), st.booleans(), st.booleans(), st.booleans())
@MANY
def test_reductions(kind, shape, seed, axes, keeps, is_new, is_negative):
    listed = [axis - 4 if is_negative else axis for axis in sorted(axes)]
    op = f"Reduce{kind}"
    if is_new or kind == "Sum":
        made = node(op, "image", "axes", keepdims=int(keeps))
    else:
        made = node(op, "image", axes=listed, keepdims=int(keeps))
    model = small_model([made], shape, {"axes": np.array(listed)}, seed=seed, opset=18 if is_new else 17)
    check(model, image(shape, seed=seed, low=0.3, high=2))


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@given(SHAPES, SEEDS, st.sampled_from([1, 2, 3, -1, -2]))
@MANY
def test_softmax(op, shape, seed, axis):
    check(small_model([node(op, "image", axis=axis)], shape, seed=seed), image(shape, seed=seed))


@given(SHAPES, SEEDS, st.integers(1, 3), st.booleans(), st.booleans())
@MANY
def test_cumulative_sums(shape, seed, axis, exclusive, reverse):
    made = node("CumSum", "image", "axis", exclusive=int(exclusive), reverse=int(reverse))
    model = small_model([made], shape, {"axis": np.array(axis)}, seed=seed)
    check(model, image(shape, seed=seed), evaluate=by_runtime(model), step=0.25)


@given(SHAPES, SEEDS, st.integers(1, 3))
@MANY
def test_top_k(shape, seed, axis):
    k = max(1, shape[axis - 1] - 1)
    made = node("TopK", "image", "k", axis=axis, outputs=["y", "at"])
    check(small_model([made], shape, {"k": np.array([k])}, seed=seed), image(shape, seed=seed))


@given(SHAPES, SEEDS, st.integers(1, 3), st.booleans())
@MANY
def test_layer_normalization(shape, seed, axis, is_last):
    axes = shape[axis - 1 :]
    assume(np.prod(axes) > 2)
    constants = {"s": weights(*axes), "b": weights(*axes)}
    made = node("LayerNormalization", "image", "s", "b", axis=axis - 4 if is_last else axis, epsilon=1e-3)
    check(small_model([made], shape, constants, seed=seed), image(shape, seed=seed), tolerance=1e-3)


@given(st.tuples(st.integers(1, 3), st.integers(2, 4), st.integers(2, 4)), SEEDS)
@MANY
def test_instance_normalization(shape, seed):
    constants = {"s": weights(shape[0]), "b": weights(shape[0])}
    made = node("InstanceNormalization", "image", "s", "b", epsilon=1e-3)
    check(small_model([made], shape, constants, seed=seed), image(shape, seed=seed), tolerance=1e-3)


@given(st.integers(1, 2), st.integers(1, 3), st.integers(2, 4), SEEDS, st.booleans())
@MANY
def test_group_normalization(groups, each, side, seed, is_new):
    shape = (groups * each, side, 2)
    n = groups * each if is_new else groups
    constants = {"s": weights(n), "b": weights(n)}
    made = node("GroupNormalization", "image", "s", "b", num_groups=groups, epsilon=1e-3)
    model = small_model([made], shape, constants, seed=seed, opset=21 if is_new else 18)
    check(
        model,
        image(shape, seed=seed),
        evaluate=by_runtime(model),
        step=3e-3,
        tolerance=5e-3,
        is_standard=is_new,
    )  # ONNX took the older one back


@given(SHAPES, SEEDS)
@MANY
def test_batch_normalization(shape, seed):
    constants = {
        "s": weights(shape[0]),
        "b": weights(shape[0]),
        "m": weights(shape[0]),
        "v": weights(shape[0]) ** 2,
    }
    made = node("BatchNormalization", "image", "s", "b", "m", "v", epsilon=1e-2)
    check(small_model([made], shape, constants, seed=seed), image(shape, seed=seed))


@given(st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3)), SEEDS, st.integers(1, 5))
@MANY
def test_local_response_normalization(shape, seed, size):
    made = node("LRN", "image", size=size, alpha=0.5, beta=0.6, bias=1.2)
    model = small_model([made], shape, seed=seed)
    check(model, image(shape, seed=seed), evaluate=by_runtime(model), step=1e-2, tolerance=2e-3)


@given(SHAPES, SEEDS, st.integers(1, 3), st.sampled_from([1, 2]))
@MANY
def test_lp_normalization(shape, seed, axis, p):
    assume(shape[axis - 1] > 1)
    made = node("LpNormalization", "image", axis=axis, p=p)
    check(small_model([made], shape, seed=seed), image(shape, seed=seed, low=0.3))


@given(st.tuples(st.integers(1, 3), st.integers(2, 4), st.integers(2, 4)), SEEDS)
@MANY
def test_mean_variance_normalization(shape, seed):
    made = node("MeanVarianceNormalization", "image", axes=[2, 3])
    model = small_model([made], shape, seed=seed)
    check(model, image(shape, seed=seed), evaluate=by_runtime(model), step=1e-2, tolerance=2e-2)


@given(SHAPES, SEEDS, st.booleans())
@MANY
def test_quantisation_is_passed_straight_through(shape, seed, is_channelwise):
    """The gradient is that of the model without the quantisation."""
    from dccausal.gradients import gradient_model
    from differences import session

    scale = np.full(shape[0] if is_channelwise else (), 0.01, np.float32)
    constants = {"s": scale, "z": np.zeros(scale.shape, np.int8), "w": weights(*shape)}
    nodes = [
        node("QuantizeLinear", "image", "s", "z", axis=1, outputs=["q"]),
        node("DequantizeLinear", "q", "s", "z", axis=1, outputs=["d"]),
        node("Mul", "d", "w"),
    ]
    quantised = small_model(nodes, shape, constants, seed=seed)
    plain = small_model([node("Mul", "image", "w")], shape, {"w": constants["w"]}, seed=seed)
    feed = {"image": image(shape, seed=seed), "target": np.array([0, 1])}
    found, wanted = (
        session(gradient_model(m, image="image")).run(["gradient"], feed)[0] for m in (quantised, plain)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@given(st.tuples(st.integers(1, 3), st.integers(3, 5), st.integers(3, 5)), SEEDS, st.booleans())
@MANY
def test_whole_number_products_are_passed_straight_through(shape, seed, is_conv):
    """DynamicQuantizeLinear with ConvInteger or MatMulInteger, against the product of the numbers themselves."""
    from dccausal.gradients import gradient_model
    from differences import session

    random = np.random.default_rng(seed)
    op = "Conv" if is_conv else "MatMul"
    sides = (2, shape[0], 3, 3) if is_conv else (shape[2], 2)
    w = random.integers(-9, 9, sides).astype(np.int8)
    constants = {"w": w, "z": np.int8(1), "real": (w.astype(np.float32) - 1)}
    nodes = [
        node("DynamicQuantizeLinear", "image", outputs=["q", "s", "p"]),
        node(f"{op}Integer", "q", "w", "p", "z", outputs=["whole"]),
        node("Cast", "whole", outputs=["f"]),
        node("Mul", "f", "s"),
    ]
    nodes[2].attribute.append(__import__("onnx").helper.make_attribute("to", 1))
    quantised = small_model(nodes, shape, constants, seed=seed)
    plain = small_model([node(op, "image", "real")], shape, constants, seed=seed)
    feed = {"image": image(shape, seed=seed), "target": np.array([0, 1])}
    found, wanted = (
        session(gradient_model(m, image="image")).run(["gradient"], feed)[0] for m in (quantised, plain)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["plain", "mask", "booleans", "causal", "groups", "three", "capped"])
@given(st.integers(2, 4), st.integers(2, 4), SEEDS)
@settings(max_examples=5, deadline=None)
def test_attention_is_written_out(kind, n_tokens, width, seed):
    """As PyTorch exports it from opset 23 on: heads of the image's tokens, which ask each other."""
    heads, n_shared = 4, 2 if kind == "groups" else 4
    shape = (heads, n_tokens, width)
    names = {"q": heads, "k": n_shared, "v": n_shared}
    nodes = [
        *(node("MatMul", "image", f"w{name}", outputs=[f"all {name}"]) for name in names),
        *(node("Slice", f"all {name}", "zero", f"n {name}", "one", outputs=[name]) for name in names),
    ]
    constants = {f"w{name}": weights(width, width, seed=seed + i) for i, name in enumerate(names)}
    constants |= {f"n {name}": np.array([n]) for name, n in names.items()}
    constants |= {"zero": np.array([0]), "one": np.array([1])}
    inputs, how = list(names), {}
    if kind == "mask":
        constants["m"] = weights(n_tokens, n_tokens, seed=seed)
        inputs += ["m"]
    elif kind == "booleans":
        constants["m"] = np.tril(np.ones((n_tokens, n_tokens), bool))
        inputs += ["m"]
    elif kind == "causal":
        how["is_causal"] = 1
    elif kind == "capped":
        how |= {"softcap": 1.5, "scale": 0.7}
    elif kind == "three":
        nodes += [
            node(op, a, *more, outputs=[b], **perm)
            for name in names
            for op, a, more, b, perm in (
                ("Transpose", name, (), f"t{name}", {"perm": [0, 2, 1, 3]}),
                ("Reshape", f"t{name}", ("rows",), f"r{name}", {}),
            )
        ]
        constants["rows"] = np.array([0, 0, -1])
        inputs, how = [f"r{name}" for name in names], {"q_num_heads": heads, "kv_num_heads": heads}
    nodes.append(node("Attention", *inputs, **how))
    model = small_model(nodes, shape, constants, seed=seed, opset=23)
    check(model, image(shape, seed=seed, low=-1, high=1))
