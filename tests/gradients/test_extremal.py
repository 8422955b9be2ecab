"""Extremal masks against TorchRay's (tests/data/whitebox/README.md), a readable reference, and differences."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gradients.smooth_masks import MaskMaker as Reference
from tests.gradients.smooth_masks import area_slopes, perturbed

from dccausal import _core
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


sizes = st.tuples(st.integers(5, 30), st.integers(5, 30))


@given(sizes, st.integers(1, 6), st.integers(1, 3), st.integers(0, 2**16), st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=60, deadline=None)
def test_masks_are_those_of_the_reference(size, step, reach, seed, hidden):
    sigma = float(step * reach)
    maker, reference = MaskMaker(size, step=step, sigma=sigma), Reference(size, step=step, sigma=sigma)
    assert (maker.grid, maker.full, maker.margin) == (reference.grid, reference.full, reference.margin)
    random = np.random.default_rng(seed)
    grids = random.uniform(0, 1, (2, *maker.grid)).astype(np.float32)
    grids[random.uniform(size=grids.shape) < hidden] = 0
    spread, wanted = maker.make(grids), reference.make(grids)
    np.testing.assert_allclose(spread.masks, wanted.masks, atol=3e-6)
    slopes = random.standard_normal(wanted.masks.shape).astype(np.float32)
    found, wanted = maker.back(spread, slopes), reference.back(wanted, slopes)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


@given(sizes, st.integers(2, 8), st.integers(1, 3), st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_blurred_images_and_areas_are_those_of_the_reference(size, n_levels, channels, seed):
    random = np.random.default_rng(seed)
    levels = random.standard_normal((n_levels, channels, *size)).astype(np.float32)
    masks = np.round(random.uniform(0, 1, (3, *size)), 2).astype(np.float32)
    shown, growth = perturbed(levels, masks)
    np.testing.assert_allclose(_core.Blurred(levels).shown(masks), shown, atol=1e-6)
    slopes = random.standard_normal(shown.shape).astype(np.float32)
    found = _core.Blurred(levels).back(masks, slopes)
    np.testing.assert_allclose(found, (slopes * growth).sum(axis=1), atol=1e-4)
    n_hidden = random.integers(0, masks[0].size, 3).tolist()
    np.testing.assert_allclose(
        _core.area_slopes(masks, n_hidden, 3.0), area_slopes(masks, n_hidden, 3.0), rtol=1e-5, atol=1e-7
    )


def test_arrays_of_other_shapes_are_refused():
    maker, blurred = MaskMaker((20, 30)), _core.Blurred(np.zeros((8, 3, 20, 30), np.float32))
    spread = maker.make(np.ones((1, *maker.grid), np.float32))
    for call in (
        lambda: maker.make(np.ones((1, 2, 2), np.float32)),
        lambda: maker.back(spread, np.ones((2, *maker.full), np.float32)),
        lambda: maker.back(spread, np.ones((1, 3, 3), np.float32)),
        lambda: blurred.shown(np.ones((1, 30, 20), np.float32)),
        lambda: blurred.back(np.ones((1, 20, 30), np.float32), np.ones((1, 1, 20, 30), np.float32)),
        lambda: _core.Blurred(np.zeros((1, 3, 20, 30), np.float32)),
        lambda: _core.area_slopes(np.ones((2, 4, 4), np.float32), [3], 1.0),
    ):
        with pytest.raises(ValueError, match="must be"):
            call()


def test_masks_that_would_not_reach_over_the_image_are_refused():
    with pytest.raises(OptionError, match="it must be a multiple of the cell"):
        MaskMaker((9, 9), step=5, sigma=2.0)
