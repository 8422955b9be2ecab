"""Buffers that stay on the device, on the CPU as the device: what is computed from them, and that they stay."""

from pathlib import Path

import numpy as np
import pytest

from dccausal.gradients.whitebox import WhiteBox

FILE = Path(__file__).parents[1] / "data" / "whitebox" / "plain" / "model_ts.onnx"


@pytest.fixture(scope="module")
def images():
    return np.load(FILE.parent / "refs.npz")["inputs"]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_gradients_from_buffers_are_those_of_runs_that_bring_their_own(images, n):
    batch = np.concatenate([images] * 3)[:n] * np.linspace(0.5, 1, n, dtype=np.float32)[:, None, None, None]
    targets = np.arange(n) % 3
    plain, bound = WhiteBox(FILE, rows=2), WhiteBox(FILE, rows=2, device=("cpu", 0))
    for _ in range(2):
        wanted, found = plain.gradient(batch, targets), bound.gradient(batch, targets)
        np.testing.assert_array_equal(found.values, wanted.values)
        np.testing.assert_array_equal(found.logits, wanted.logits)


def test_buffers_stay_and_answers_are_not_theirs(images):
    bound = WhiteBox(FILE, rows=3, device=("cpu", 0))
    first = bound.gradient(images[:1], 0)
    kept = first.values.copy()
    (buffers,) = bound._buffers.values()
    before = buffers.addresses
    bound.gradient(images[:2] * 0.3, 1)
    bound.gradient(images[:1], 2)
    (same,) = bound._buffers.values()
    assert same is buffers
    assert buffers.addresses == before
    assert buffers.n_bytes == 3 * (images[0].nbytes + 8)
    np.testing.assert_array_equal(first.values, kept)


def test_each_session_has_its_own(images):
    bound = WhiteBox(FILE, device=("cpu", 0))
    layer = bound.layer()
    at_layer, gradient = bound.at_layer(images[:1], 0, layer), bound.gradient(images[:1], 0)
    plain = WhiteBox(FILE)
    np.testing.assert_array_equal(gradient.values, plain.gradient(images[:1], 0).values)
    np.testing.assert_array_equal(at_layer.activation, plain.at_layer(images[:1], 0, layer).activation)
    assert len(bound._buffers) == 2


def test_more_images_make_larger_buffers(images):
    bound = WhiteBox(FILE, device=("cpu", 0))
    for n in (1, 2):
        batch = images[:n]
        np.testing.assert_array_equal(
            bound.gradient(batch, 0).values, WhiteBox(FILE).gradient(batch, 0).values
        )
    (buffers,) = bound._buffers.values()
    assert buffers.rows == 2
