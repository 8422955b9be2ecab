"""The planted classifiers do what the truth that comes with them says."""

import hashlib
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from planted import RULES, VARIANTS, build, plant

REFUSED = ("two_inputs", "vector")
SOFTMAX, SIGMOID, ONE_COLUMN = "softmax", "sigmoid", 1
GREY = 128


def encode(planted, images):
    """The input tensor of uint8 (n, H, W, 3)."""
    form = VARIANTS[planted.name]
    if form.channels == 1:
        images = np.stack([np.array(Image.fromarray(image).convert("L")) for image in images])[..., None]
    tensor = images if form.dtype == "uint8" else (images / 255).astype(form.dtype)
    return np.ascontiguousarray(tensor if form.layout == "NHWC" else tensor.transpose(0, 3, 1, 2))


def answers(planted, images):
    """What the ONNX file gives for uint8 (n, H, W, 3): its last output."""
    session = onnxruntime.InferenceSession(build(planted), providers=["CPUExecutionProvider"])
    tensor, batch = encode(planted, images), VARIANTS[planted.name].batch or len(images)
    padded = np.concatenate([tensor, np.repeat(tensor[:1], -len(tensor) % batch, axis=0)])
    runs = [session.run(None, {"image": padded[i : i + batch]})[-1] for i in range(0, len(padded), batch)]
    return np.concatenate(runs)[: len(images)]


def expected(planted, images):
    """The same from the scores in NumPy."""
    form, scores = VARIANTS[planted.name], planted.scores(images)
    if form.n_classes == ONE_COLUMN:
        scores = scores[:, 1:] - scores[:, :1]
    elif form.n_classes:
        wide = np.full((len(images), form.n_classes), -8, dtype=np.float32)
        wide[:, 0], wide[:, planted.label] = scores.T
        scores = wide
    if form.is_shaded:
        scores = scores + images[..., 1].mean(axis=(1, 2))[:, None] / 255 * [2, -2]
    if form.ending == SOFTMAX:
        scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    if form.ending == SIGMOID:
        scores = 1 / (1 + np.exp(-scores))
    return scores.argmax(axis=1) if form.extra == "argmax" else scores


def masked(planted, seed, n=40):
    """The image, all of it masked, each set of boxes masked, and random rectangles masked."""
    rng = np.random.default_rng(seed)
    height, width = planted.size
    sets = [
        letters
        for size in range(len(planted.boxes) + 1)
        for letters in itertools.combinations(planted.boxes, size)
    ]
    masks = [planted.pixels(letters) for letters in sets] + [np.ones(planted.size, dtype=bool)]
    for _ in range(n):
        mask = np.zeros(planted.size, dtype=bool)
        for _ in range(rng.integers(1, 4)):
            top, left = rng.integers(height), rng.integers(width)
            mask[top : top + rng.integers(1, height), left : left + rng.integers(1, width)] = True
        masks.append(mask)
    colours = rng.choice([[0, 0, 0], [GREY] * 3, [255, 255, 255]], len(masks)).astype(np.uint8)
    return np.stack(
        [np.where(mask[..., None], c, planted.image) for mask, c in zip(masks, colours, strict=True)]
    )


@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in REFUSED])
def test_the_file_answers_as_the_truth_in_numpy(name, size):
    planted = plant(name, size)
    images = masked(planted, seed=1)
    given, wanted = answers(planted, images), expected(planted, images)
    if name == "nan_scores":
        one_of_two = np.isnan(given).all(axis=1)
        assert 0 < one_of_two.sum() < len(images)
        given, wanted = given[~one_of_two], wanted[~one_of_two]
    np.testing.assert_allclose(given, wanted, rtol=0, atol=0.01 if "float16" in name else 1e-5)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in (*REFUSED, "labels_only")])
def test_the_image_has_its_label_by_a_wide_margin(name):
    planted = plant(name)
    (scores,) = answers(planted, planted.image[None])
    if scores.size == 1:
        scores = (
            np.array([1 - scores[0], scores[0]])
            if VARIANTS[name].ending == SIGMOID
            else np.array([0, scores[0]])
        )
    best, second = np.argsort(scores)[:-3:-1]
    assert best == planted.label
    assert scores[best] - scores[second] >= 0.5 or name == "multi_label"


@pytest.mark.parametrize("name", RULES)
def test_the_minimal_sufficient_sets_are_those_named(name):
    planted = plant(name)
    letters = "".join(planted.boxes)
    sets = [frozenset(s) for size in range(len(letters) + 1) for s in itertools.combinations(letters, size)]
    sufficient = [s for s in sets if planted.is_kept(planted.pixels(s))]
    minimal = [s for s in sufficient if not any(other < s for other in sufficient)]
    assert sorted(map(sorted, minimal)) == sorted(map(sorted, planted.rule.minimal))


@pytest.mark.parametrize("name", RULES)
def test_the_explanations_are_minimal_to_the_pixel(name):
    planted = plant(name, (16, 24))
    for kept in planted.explanations:
        assert planted.is_kept(kept)
        for pixel in np.argwhere(kept):
            smaller = kept.copy()
            smaller[tuple(pixel)] = False
            assert not planted.is_kept(smaller)


@pytest.mark.parametrize("name", RULES)
def test_the_responsibilities_follow_from_the_definition(name):
    planted = plant(name)
    letters = frozenset(planted.boxes)

    def passes(gone):
        return planted.is_kept(~planted.pixels(gone))

    def is_witness(cause, others):
        subsets = (s for size in range(len(others) + 1) for s in itertools.combinations(others, size))
        return all(passes(s) for s in subsets) and not passes({cause, *others})

    for cause in letters:
        witnesses = [
            others
            for size in range(len(letters))
            for others in itertools.combinations(letters - {cause}, size)
            if is_witness(cause, others)
        ]
        responsibility = 1 / (1 + min(map(len, witnesses))) if witnesses else 0
        assert responsibility == planted.rule.responsibility[cause]


@pytest.mark.parametrize(
    ("share", "hidden", "is_there"), [(1.0, 0, True), (1.0, 1, False), (0.9, 6, True), (0.9, 7, False)]
)
def test_a_box_is_there_iff_the_share_of_its_pixels_is_red(share, hidden, is_there):
    planted = plant("needs_a", share=share)
    image = planted.image.copy()
    box = image[planted.boxes["A"].slices]
    rows, columns = np.unravel_index(np.random.default_rng(0).permutation(64)[:hidden], (8, 8))
    box[rows, columns] = GREY
    assert answers(planted, image[None]).argmax() == is_there
    assert planted.scores(image[None]).argmax() == is_there


def test_a_colour_anywhere_is_found_anywhere():
    planted = plant("colour_anywhere")
    images = np.full((3, 64, 64, 3), GREY, dtype=np.uint8)
    images[0, 31:39, 50:58] = (255, 0, 0)
    images[1, 56:64, 56:64] = (255, 0, 0)
    images[2, 31:38, 10:40] = (255, 0, 0)  # a row too low
    assert answers(planted, images).argmax(axis=1).tolist() == [1, 1, 0]
    assert planted.scores(images).argmax(axis=1).tolist() == [1, 1, 0]


def test_a_colour_anywhere_is_found_in_images_of_any_size():
    planted = plant("dynamic_size")
    session = onnxruntime.InferenceSession(build(planted), providers=["CPUExecutionProvider"])
    images = np.full((2, 30, 100, 3), GREY, dtype=np.uint8)
    images[1, 20:28, 90:98] = (255, 0, 0)
    (scores,) = session.run(None, {"image": encode(planted, images)})
    assert scores.argmax(axis=1).tolist() == [0, 1]


def test_masking_more_brings_the_label_back():
    planted = plant("non_monotone")
    assert planted.is_kept(~planted.pixels("B"))
    assert not planted.is_kept(~planted.pixels("C"))
    assert planted.is_kept(~planted.pixels("BC"))


def test_graded_scores_are_those_told():
    planted = plant("graded")
    scores = planted.scores(
        np.stack([planted.image, np.where(planted.pixels("B")[..., None], 0, planted.image)])
    )
    probabilities = 1 / (1 + np.exp(scores[:, 0] - scores[:, 1]))
    np.testing.assert_allclose(probabilities, [0.9526, 0.7311], atol=1e-4)


def test_scores_are_not_finite_only_while_one_of_two_boxes_is_masked():
    planted = plant("nan_scores")
    kept = ["AB", "A", "B", ""]
    images = np.stack([np.where(planted.pixels(letters)[..., None], planted.image, 0) for letters in kept])
    assert np.isnan(answers(planted, images.astype(np.uint8))).any(axis=1).tolist() == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("name", ["fixed_batch_1_flatten", "fixed_batch_1_merge", "fixed_batch_4"])
def test_models_of_a_fixed_batch_take_no_other(name):
    planted = plant(name)
    batch = VARIANTS[name].batch
    session = onnxruntime.InferenceSession(build(planted), providers=["CPUExecutionProvider"])
    images = np.stack([planted.image] * (batch + 1))
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
        session.run(None, {"image": encode(planted, images)})
    other = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    assert len(np.unique(answers(planted, other)[:, 0])) == 4


@pytest.mark.parametrize("name", VARIANTS)
def test_files_are_valid_and_always_the_same(name):
    planted = plant(name)
    content = build(planted)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert content == build(plant(name))
    assert len(content) < 150_000
    metadata = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert metadata.get("names") == (
        None if planted.names is None or name == "vector" else list(planted.names)
    )
    assert ("preprocess" in metadata) is (name not in ("vector", "no_metadata"))


def test_the_bytes_do_not_depend_on_the_version_of_onnx():
    """Taken from onnx 1.17.0, 1.19.1 and 1.23.2."""
    digest = hashlib.sha256(b"".join(build(plant(name)) for name in VARIANTS)).hexdigest()
    assert digest == "240ee8e3aeb835cc6c451fb25b1b81f3f86f2502c48b90c0b53c1a3392291c95"


def test_inputs_are_of_the_forms_told():
    shapes = {}
    for name in VARIANTS:
        (first, *_) = onnx.load_from_string(build(plant(name, (48, 80)))).graph.input
        kind = onnx.helper.tensor_dtype_to_np_dtype(first.type.tensor_type.elem_type).name
        shapes[name] = kind, [dim.dim_value or dim.dim_param for dim in first.type.tensor_type.shape.dim]
    assert shapes["needs_a"] == ("float32", ["batch", 3, 48, 80])
    assert shapes["nhwc"] == ("float32", ["batch", 48, 80, 3])
    assert shapes["float16"] == ("float16", ["batch", 3, 48, 80])
    assert shapes["uint8_nhwc"] == ("uint8", ["batch", 48, 80, 3])
    assert shapes["greyscale"] == ("float32", ["batch", 1, 48, 80])
    assert shapes["fixed_batch_1_reshape"] == ("float32", [1, 3, 48, 80])
    assert shapes["fixed_batch_4"] == ("float32", [4, 3, 48, 80])
    assert shapes["dynamic_size"] == ("float32", ["batch", 3, "height", "width"])
    assert shapes["vector"] == ("float32", ["batch", 16])
    assert len(onnx.load_from_string(build(plant("two_inputs"))).graph.input) == 2


@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_the_image_shows_the_boxes_and_no_other_red(planted, size):
    scene = planted("multi_label", size)
    image = np.array(Image.open(scene.photo))
    np.testing.assert_array_equal(image, scene.image)
    red = image[..., 0].astype(int) - image[..., 1] - image[..., 2] > 127
    np.testing.assert_array_equal(red, scene.pixels("AB"))
    assert scene.path.read_bytes() == build(scene)
    assert not scene.image.flags.writeable
    assert planted("multi_label", size) is scene


@pytest.mark.parametrize("size", [(60, 64), (64, 0), (4, 64)])
def test_sizes_that_do_not_fit_are_refused(size):
    with pytest.raises(ValueError, match="two multiples of 8 are needed"):
        plant("needs_a", size)


@pytest.mark.parametrize("share", [0, 1.1, -1])
def test_shares_out_of_range_are_refused(share):
    with pytest.raises(ValueError, match="more than 0 and at most 1"):
        plant("needs_a", share=share)


def test_the_script_writes_models_and_images(tmp_path):
    script = Path(__file__).resolve().parents[2] / "models" / "make_planted.py"
    command = [sys.executable, script, tmp_path, "--size", "32", "--only", "needs_a", "uint8"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "needs_a.onnx",
        "needs_a.png",
        "uint8.onnx",
        "uint8.png",
    ]
    assert "label 1, minimal explanations: AB" in said
    with Image.open(tmp_path / "uint8.png") as image:
        assert image.size == (32, 32)
