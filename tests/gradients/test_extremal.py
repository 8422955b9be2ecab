"""Extremal masks against TorchRay's (tests/data/whitebox/README.md), and their slopes against differences."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dccausal.errors import OptionError
from dccausal.gradients.extremal import Extremal, MaskMaker
from dccausal.gradients.whitebox import WhiteBox

FOLDER = Path(__file__).parents[1] / "data" / "whitebox" / "resnet"


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    ("key", "how"), [("extremal", {}), ("extremal_step3_sigma6", {"step": 3, "sigma": 6.0})]
)
def test_the_first_masks_are_those_of_its_authors(key, how, index):
    """Later ones are not comparable: pixels that are equal but for rounding are sorted, and their order decides."""
    refs = dict(np.load(FOLDER / "refs.npz"))
    box, target = WhiteBox(FOLDER / "model_ts.onnx"), int(refs["targets"][index, 0])

    def slope(images):
        answer = box.gradient(images, target)
        return answer.logits[:, target], answer.values

    x = refs["inputs"][index]
    search = Extremal(x, slope, [0.05, 0.1, 0.2], MaskMaker(x.shape[1:], **how))
    rewards = refs[f"{key}.reward_and_regulariser"][index][:, 0]
    search.step()
    np.testing.assert_allclose(search.rewards, rewards[:, 0], atol=1e-4)
    if f"{key}.mask.iter1" in refs:
        np.testing.assert_allclose(search.masks, refs[f"{key}.mask.iter1"][index], atol=2e-6)
    for _ in range(9):
        search.step()
    wanted = refs[f"{key}.mask.iter10"][index]
    np.testing.assert_allclose(search.masks[0], wanted[0], atol=2e-3)
    assert np.abs(search.masks - wanted).mean() < 5e-3


@given(st.integers(9, 20), st.integers(9, 20), st.integers(2, 5), st.integers(1, 3), st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_slopes_of_masks(height, width, step, reach, seed):
    maker = MaskMaker((height, width), step=step, sigma=float(step * reach))
    random = np.random.default_rng(seed)
    grids = random.uniform(0.2, 0.8, (2, *maker.grid)).astype(np.float32)
    weights = random.standard_normal((2, *maker.full)).astype(np.float32)
    found = maker.back(maker.make(grids), weights)
    direction = random.standard_normal(grids.shape).astype(np.float32)
    ends = [
        (maker.make(grids + s * direction).masks.astype(np.float64) * weights).sum() for s in (1e-3, -1e-3)
    ]
    scale = np.abs(found).sum() / np.sqrt(found.size) + 1
    assert abs((found * direction).sum() - (ends[0] - ends[1]) / 2e-3) < 1e-2 * scale
    assert maker.crop(maker.make(grids).masks).shape == (2, height, width)


def test_masks_that_would_not_reach_over_the_image_are_refused():
    with pytest.raises(OptionError, match="a sigma that is a multiple of the cell is needed"):
        MaskMaker((9, 9), step=5, sigma=2.0)
