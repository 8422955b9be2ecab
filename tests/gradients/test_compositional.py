"""The compositional network of models/make_compositional.py: what it loses under an occluder, and its gradient."""

import json

import numpy as np
import pytest
from PIL import Image

from dccausal.evaluation.truth import read_truth
from dccausal.gradients.cam import grad_cam
from dccausal.gradients.whitebox import WhiteBox

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    import make_compositional

    place = tmp_path_factory.mktemp("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["make_compositional.py", str(place)])
        make_compositional.main()
    return place


def test_it_loses_less_under_an_occluder_than_an_ordinary_network(folder):
    found = json.loads((folder / "accuracy.json").read_text())
    lost = {name: one["clear"] - one["occluded"] for name, one in found.items()}
    assert min(one["clear"] for one in found.values()) > 0.95
    assert lost["compositional"] < lost["ordinary"] / 1.5
    assert found["compositional"]["occluded"] > found["ordinary"]["occluded"]


def test_both_networks_have_the_same_size(folder):
    sizes = [one["weights"] for one in json.loads((folder / "accuracy.json").read_text()).values()]
    assert max(sizes) < 1.01 * min(sizes)


def test_the_occluders_are_where_the_truth_says(folder):
    kind, truths = read_truth(folder / "occlusions.csv")
    assert kind == "occlusion"
    assert len(truths) == 100
    for truth in truths.values():
        covered = np.asarray(Image.open(folder / "digits" / truth.file))
        clear = np.asarray(Image.open(folder / "digits" / truth.file.replace("occluded", "clear")))
        differs = (covered != clear).any(axis=-1)
        inside = truth.pixels(96, 96)
        assert not differs[~inside].any()
        assert differs[inside].mean() > 0.9


@pytest.mark.parametrize("name", ["compositional", "ordinary"])
def test_its_gradient_is_that_of_differences(folder, name):
    box = WhiteBox(folder / f"{name}.onnx")
    random = np.random.default_rng(0)
    x = random.random((1, 3, 96, 96)).astype(np.float32)
    v = random.standard_normal(x.shape).astype(np.float32) * 5e-4
    slope = 2 * float((box.gradient(x, 3).values * v).sum())
    ends = [float(box.gradient(end, 3).logits[0, 3]) for end in (x + v, x - v)]
    assert ends[0] - ends[1] == pytest.approx(slope, rel=0.05, abs=1e-4)
    layer = box.layer()
    answer = box.at_layer(x, 3, layer)
    assert np.isfinite(grad_cam(answer.activation, answer.values)).all()
    assert layer.grid == (13, 13)
