"""Rendering is exact: equal to numpy.where, whatever was in the buffer before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from asking import search
from dccausal import _core


def as_bytes(array):
    return array.reshape(-1).view(np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(["float32", "float16", "uint8", "float64"]),
    planar=st.booleans(),
    channels=st.sampled_from([1, 3]),
    capacity=st.integers(1, 9),
    threads=st.sampled_from([1, 2, 8]),
    seed=st.integers(0, 1000),
)
def test_equals_where(dtype, planar, channels, capacity, threads, seed):
    height, width = 33, 41
    rng = np.random.default_rng(seed)
    shape = (channels, height, width) if planar else (height, width, channels)
    image, baseline = (rng.integers(0, 255, (2, *shape)) / 7).astype(dtype)
    renderer = _core.Renderer(
        as_bytes(image),
        as_bytes(baseline),
        height=height,
        width=width,
        planes=channels if planar else 1,
        pixel_bytes=image.itemsize * (1 if planar else channels),
        threads=threads,
    )
    buffer = np.full((capacity, *shape), 9, dtype=dtype)
    slots = renderer.slots(as_bytes(buffer))
    opts = reference.Options(height=height, width=width, partitions=4, seed=seed, world="contingency")
    questions = search(opts)
    for _ in range(8):
        batch = questions.propose(capacity)
        if batch is None:
            break
        masked = batch.masked()
        renderer.render(batch, slots)
        axis = 1 if planar else 3
        expected = np.where(np.expand_dims(masked, axis), baseline, image)
        np.testing.assert_array_equal(buffer[: len(batch)], expected)
        is_passing = rng.random(len(batch)) < 0.7
        questions.submit(batch.id, is_passing, np.zeros(len(batch), np.float32))


def test_large_batches_are_drawn_by_several_threads():
    height = width = 256
    image, baseline = np.zeros((2, 3, height, width), np.float32)
    baseline += 1
    questions = search(reference.Options(height=height, width=width, partitions=8))
    batch = questions.propose(32)
    drawn = []
    for threads in (1, 2, 8):
        renderer = _core.Renderer(
            as_bytes(image),
            as_bytes(baseline),
            height=height,
            width=width,
            planes=3,
            pixel_bytes=4,
            threads=threads,
        )
        buffer = np.empty((32, 3, height, width), np.float32)
        renderer.render(batch, renderer.slots(as_bytes(buffer)))
        drawn.append(buffer.tobytes())
    assert len(set(drawn)) == 1
    assert np.array_equal(buffer[:, 0] == 1, batch.masked())


def test_compact_masks_agree():
    batch = search(reference.Options(height=19, width=23, partitions=5)).propose(20)
    masked = batch.masked()
    np.testing.assert_array_equal(batch.bits(), np.packbits(masked.reshape(20, -1), axis=1))
    drawn = np.zeros_like(masked)
    for image, rectangles in zip(drawn, batch.rectangles(), strict=True):
        for top, left, bottom, right in rectangles:
            image[top:bottom, left:right] = True
    np.testing.assert_array_equal(drawn, masked)


def test_sizes_are_checked():
    good = np.zeros(4 * 5 * 3, np.uint8)
    sizes = {"height": 4, "width": 5, "planes": 1, "pixel_bytes": 3}
    with pytest.raises(ValueError, match="baseline has 59 bytes; it must have 60"):
        _core.Renderer(good, good[:-1], **sizes, threads=1)
    with pytest.raises(ValueError, match="threads is 0; it must be at least 1"):
        _core.Renderer(good, good, **sizes, threads=0)
    renderer = _core.Renderer(good, good, **sizes, threads=1)
    with pytest.raises(ValueError, match="buffer has 61 bytes; it must have 120"):
        renderer.slots(np.zeros(61, np.uint8))
    batch = search(reference.Options(height=4, width=5, partitions=2)).propose(8)
    with pytest.raises(ValueError, match="questions is 8; it must be at most the slots's capacity"):
        renderer.render(batch, renderer.slots(np.zeros(60, np.uint8)))


def renderer_of(height, width):
    image = np.zeros(height * width, np.uint8)
    return _core.Renderer(image, image, height=height, width=width, planes=1, pixel_bytes=1, threads=2)


@pytest.mark.parametrize("size", [(4, 5), (64, 64), (5, 4)])
def test_a_batch_is_drawn_on_images_of_its_size_alone(size):
    renderer = renderer_of(5, 8)
    batch = search(reference.Options(height=size[0], width=size[1], partitions=2)).propose(4)
    slots = renderer.slots(np.zeros(4 * 40, np.uint8))
    text = f"batch is about {size[0]} x {size[1]} pixels; it must be about 5 x 8"
    with pytest.raises(ValueError, match=text):
        renderer.render(batch, slots)


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ((65536, 65536, 65536, 65536), "image has 0 bytes; it must have"),
        ((0, 5, 1, 1), "height is 0; it must be at least 1"),
        ((4, 5, 1, 0), "pixel_bytes is 0; it must be at least 1"),
    ],
)
def test_layouts_of_no_bytes_or_of_more_than_can_be_counted_are_refused(sizes, text):
    names = dict(zip(("height", "width", "planes", "pixel_bytes"), sizes, strict=True))
    nothing = np.zeros(0, np.uint8)
    with pytest.raises(ValueError, match=text):
        _core.Renderer(nothing, nothing, **names, threads=1)
