"""Models that do not classify, opened as if they did, or looked at by ``inspect``."""

import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from dccausal import ModelError, OnnxClassifier
from dccausal.cli.app import main


def model(output, shape, axes, *, inputs=("pixel_values",)):
    """A model whose output is a mean over some axes of its image."""
    node = helper.make_node("ReduceMean", [inputs[0]], [output], axes=axes, keepdims=0)
    images = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, 32, 32] if i == 0 else ["n", "p", 2])
        for i, name in enumerate(inputs)
    ]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
    graph = helper.make_graph([node], "g", images, outputs)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (("image_embeds", ["n", 3], [2, 3]), "gives an embedding (image_embeds): "),
        (("pooler_output:0", ["n", 3], [2, 3]), "an embedding is explained by --like IMAGE"),
        (("tokens", ["n", 3, 32], [3]), "is explained by --box N, --region NAME, or --like IMAGE"),
    ],
)
def test_what_is_no_classifier_says_how_it_is_explained(made, words):
    with pytest.raises(ModelError) as caught:
        OnnxClassifier(model(*made), device="cpu")
    assert words in str(caught.value)


def test_an_embedding_that_is_asked_for_is_taken_for_scores():
    found = OnnxClassifier(model("image_embeds", ["n", 3], [2, 3]), device="cpu", output="image_embeds")
    assert found.n_classes == 3


def test_prompts_that_are_too_many_are_called_prompts(tmp_path, capsys):
    (tmp_path / "model.onnx").write_bytes(model("scores", ["n", 3], [2, 3]))
    (tmp_path / "prompts.txt").write_text("a cat\na dog\na boat\na tree\n")
    Image.new("RGB", (32, 32)).save(tmp_path / "photo.png")
    asked = ["--model", tmp_path / "model.onnx", "--prompts", tmp_path / "prompts.txt", "--device", "cpu"]
    assert main(["explain", str(tmp_path / "photo.png"), *map(str, asked)]) == 2
    assert (
        "error: 4 names (labels, or prompts) were given; the model has 3 classes" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("made", "more", "words"),
    [
        (("predicted_depth", ["n", 32, 32], [1]), {}, "it gives depths, which are no labels"),
        (
            ("masks", ["n", 32, 32], [1]),
            {"inputs": ("image", "point_coords")},
            "'point_coords', so its masks follow",
        ),
        (
            ("pooler_output", ["n", 32], [2, 3]),
            {"inputs": ("pixel_values", "spatial_shapes")},
            "cut into patches",
        ),
    ],
)
def test_inspect_says_why_a_model_is_not_read(tmp_path, capsys, made, more, words):
    path = tmp_path / "model.onnx"
    path.write_bytes(model(*made, **more))
    onnx.checker.check_model(str(path))
    assert main(["inspect", str(path), "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
