"""Many images: the same explanations as one by one, in fuller batches and bounded memory."""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from dccausal import (
    ClassifierError,
    DccausalError,
    Explanation,
    ImageError,
    OnnxClassifier,
    OptionError,
    explain,
    explain_many,
)
from dccausal.engine import StopEarly
from planted import plant
from several import OPTIONS, content, variations


@pytest.mark.parametrize("name", ["needs_a_and_b", "a_or_b", "non_monotone", "nhwc", "float16", "uint8_nhwc"])
@pytest.mark.parametrize(("batch_size", "in_flight"), [(1, 1), (7, 2), (64, 3)])
def test_each_is_what_explain_gives(name, batch_size, in_flight, planted):
    written = planted(name)
    images = variations(written)
    classifier = OnnxClassifier(written.path, device="cpu", threads=1)
    alone = [content(explain(image, classifier, **OPTIONS)) for image in images]
    together = explain_many(images, classifier, batch_size=batch_size, in_flight=in_flight, **OPTIONS)
    found = {index: content(explanation) for index, explanation in together}
    assert found == dict(enumerate(alone))
    assert len(set(alone)) > 1


def test_callables_are_called_in_this_thread_with_what_they_can_take():
    planted = plant("needs_a_and_b")
    images = variations(planted)
    alone = [content(explain(image, planted.scores, **OPTIONS)) for image in images]
    found = dict(explain_many(iter(images), planted.scores, **OPTIONS))
    assert [content(found[i]) for i in range(len(images))] == alone


def test_images_of_several_sizes_share_no_batch():
    scenes = [plant("needs_a", size) for size in [(64, 64), (64, 72), (64, 64), (32, 32)]]
    shapes = set()

    def classify(images):
        shapes.add(images.shape[1:])
        (scene,) = {scene.size: scene for scene in scenes if scene.size == images.shape[1:3]}.values()
        return scene.scores(images)

    found = dict(explain_many((scene.image for scene in scenes), classify, **OPTIONS))
    assert len(shapes) == 3
    for i, scene in enumerate(scenes):
        assert np.array_equal(found[i].kept, scene.explanations[0])


def rows_of_calls(planted, run):
    rows = []

    def count(images):
        rows.append(len(images))
        time.sleep(0.002)  # a model takes a while, in which the next images are prepared
        return planted.scores(images)

    run(count)
    return rows


def test_batches_are_full_where_those_of_one_image_are_not():
    planted = plant("needs_four_corners")
    images = [planted.image] * 30

    def one_by_one(count):
        for image in images:
            explain(image, count, batch_size=16, **OPTIONS)

    alone = rows_of_calls(planted, one_by_one)
    together = rows_of_calls(
        planted, lambda count: list(explain_many(images, count, batch_size=16, in_flight_images=8, **OPTIONS))
    )
    assert sum(together) == sum(alone)
    assert max(together) == 16
    assert np.mean(alone) < 10
    # The last images have nobody behind them, and what is not decoded yet is not waited for.
    assert np.mean(together[:-20]) > 14


@pytest.mark.parametrize("most", [1, 2, 5])
def test_images_are_read_as_they_are_needed(most):
    planted = plant("needs_a")
    taken = 0

    def endless():
        nonlocal taken
        for image in itertools.cycle(variations(planted, 3)):
            taken += 1
            yield image

    stream = explain_many(endless(), planted.scores, in_flight_images=most, **OPTIONS)
    assert taken == 0
    for n_done in range(1, 6):
        index, explanation = next(stream)
        assert explanation.outcome == "minimal"
        assert index < taken <= n_done - 1 + most
    stream.close()
    assert taken <= 5 + most


@pytest.mark.parametrize(("side", "most"), [(64, 8), (2400, 2)])
def test_few_large_photographs_are_held_at_once(side, most, planted):
    written = planted("needs_a")
    n_taken = n_done = held = 0

    def photographs():
        nonlocal n_taken
        for photo in variations(written, 3) * 5:
            n_taken += 1
            yield Image.fromarray(photo).resize((side, side), Image.Resampling.NEAREST)

    classifier = OnnxClassifier(written.path, device="cpu", threads=1, batch_size=64)
    for _, explanation in explain_many(photographs(), classifier, **OPTIONS):
        assert isinstance(explanation, Explanation)
        held = max(held, n_taken - n_done)
        n_done += 1
    assert held <= most
    assert n_done == 15


def test_the_first_image_does_not_wait_for_the_others():
    planted = plant("needs_four_corners")
    order = [i for i, _ in explain_many([planted.image] * 6, planted.scores, batch_size=4, **OPTIONS)]
    assert order[0] == 0
    assert sorted(order) == list(range(6))


@pytest.mark.parametrize("in_flight_images", [1, 4])
def test_an_image_that_cannot_be_explained_stops_no_other(in_flight_images, tmp_path):
    planted = plant("needs_a")
    images = variations(planted, 5)
    images[1] = tmp_path / "missing.jpg"
    images[3] = np.zeros((64, 64, 3), np.uint8) + np.uint8(7)

    def classify(batch):
        scores = planted.scores(batch)
        scores[(batch[:, 0, 0] == 7).all(axis=-1)] = np.nan
        return scores

    stream = explain_many(images, classify, in_flight_images=in_flight_images, **OPTIONS)
    found = dict(stream)
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert isinstance(found[1], ImageError)
    assert isinstance(found[3], ClassifierError)
    assert "NaN" in str(found[3])
    for i in (0, 2, 4):
        assert content(found[i]) == content(explain(images[i], classify, **OPTIONS))


def test_an_image_that_fails_while_it_is_asked_about_ends_nothing():
    """Its second batch is still in the making when it fails, and the next image still being read."""
    n = 0

    def classify(images):
        nonlocal n
        n += 1
        sees = images[:, 8:12, 8:12, 0].mean(axis=(1, 2)) > 150
        return np.where(sees[:, None], [[0.1, 0.9]], [[0.9, 0.1]]) * (np.nan if n == 6 else 1)

    def slow(photo):
        load = photo.load

        def wait():
            time.sleep(0.3)
            return load()

        photo.load = wait
        return photo

    photos = [Image.new("RGB", (32, 32), (shade, 0, 0)) for shade in (200, 180, 160)]
    images = [photos[0], slow(photos[1]), slow(photos[2])]
    found = dict(explain_many(images, classify, batch_size=2, in_flight=2))
    assert [isinstance(found[n], ClassifierError) for n in range(3)] == [True, False, False]


@pytest.mark.parametrize("n_bad", [21, 23, 25])
def test_a_callable_is_never_called_by_two_threads_at_once(n_bad):
    """Where it fails it is asked about each image alone, while another batch may be under way."""
    n, n_at_once, is_busy = 0, 0, threading.Lock()

    def classify(images):
        nonlocal n, n_at_once
        if not is_busy.acquire(blocking=False):
            n_at_once += 1
            is_busy.acquire()
        with contextlib.ExitStack() as stack:
            stack.callback(is_busy.release)
            n += 1
            is_bad = n == n_bad
            time.sleep(0.004)
            sees = images[:, 8:12, 8:12, 0].mean(axis=(1, 2)) > 150
            return np.where(sees[:, None], [[0.1, 0.9]], [[0.9, 0.1]]) * (np.nan if is_bad else 1)

    photos = [Image.new("RGB", (32, 32), (200 - i, 0, 0)) for i in range(8)]
    found = dict(explain_many(photos, classify, batch_size=8, in_flight=2, grid=4))
    assert len(found) == len(photos)
    assert n_at_once == 0


def test_options_that_do_not_go_with_one_image_concern_that_one():
    planted = plant("needs_a")
    background = np.full_like(planted.image, 90)
    found = dict(
        explain_many([planted.image, background], planted.scores, target=planted.label, top_k=1, **OPTIONS)
    )
    assert isinstance(found[0], Explanation)
    assert isinstance(found[1], OptionError)


def test_an_error_may_end_it_all(tmp_path):
    planted = plant("needs_a")
    images = [planted.image, tmp_path / "missing.jpg", planted.image]
    stream = explain_many(images, planted.scores, on_error="raise", in_flight_images=1, **OPTIONS)
    assert next(stream)[0] == 0
    with pytest.raises(ImageError, match="missing"):
        next(stream)
    assert list(stream) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"partitions": 0}, "partitions is 0"),
        ({"in_flight_images": 0}, "in_flight_images is 0; a whole number from 1 to 1024 is needed"),
        ({"on_error": "ignore"}, "on_error is 'ignore'; one of return, raise is needed"),
        ({"target": "cat"}, "names of the labels are unknown"),
    ],
)
def test_options_are_checked_before_any_image_is_read(options, text):
    def images():
        raise AssertionError
        yield

    with pytest.raises(OptionError, match=text):
        explain_many(images(), plant("needs_a").scores, **options)


def test_a_baseline_is_checked_before_any_image_is_read(planted):
    with pytest.raises(OptionError, match="no colour"):
        explain_many([], planted("needs_a").path, baseline="no colour")


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="unexpected options: partition"):
        explain_many([], plant("needs_a").scores, partition=3)


def test_nothing_comes_of_nothing():
    assert list(explain_many([], plant("needs_a").scores)) == []


def test_a_fault_of_the_iterable_passes_through():
    planted = plant("needs_a")

    def images():
        yield planted.image
        raise RuntimeError("the folder is gone")

    with pytest.raises(RuntimeError, match="the folder is gone"):
        list(explain_many(images(), planted.scores, **OPTIONS))


def test_progress_tells_the_image():
    planted = plant("needs_a")
    seen = []
    start = time.perf_counter()
    found = dict(explain_many([planted.image] * 3, planted.scores, progress=seen.append, **OPTIONS))
    seconds = time.perf_counter() - start
    assert 0 < sum(found[i].statistics["model_seconds"] for i in range(3)) < seconds
    for i in range(3):
        own = [p for p in seen if p.index == i]
        assert own[-1].n_calls == found[i].statistics["model_calls"]
        assert [p.n_calls for p in own] == sorted(p.n_calls for p in own)


@pytest.mark.parametrize("kind", ["callable", "onnx"])
def test_an_interrupt_hands_out_the_best_so_far(kind, planted):
    written = planted("needs_four_corners")
    classifier = OnnxClassifier(written.path, device="cpu") if kind == "onnx" else written.scores
    interrupted = []

    def interrupt(progress):
        if progress.index == 2 and progress.phase == "search" and progress.n_calls > 30 and not interrupted:
            interrupted.append(progress)
            signal.raise_signal(signal.SIGINT)

    images = (written.image for _ in range(50))
    options = {**OPTIONS, "partitions": 30, "progress": interrupt, "in_flight_images": 4, "batch_size": 8}
    found = dict(explain_many(images, classifier, **options))
    assert {0, 1, 2} <= found.keys()
    assert len(found) <= 6
    assert found[0].outcome == "minimal"
    assert "Interrupted during search" in found[2].notes[0]
    assert found[2].heatmap.any()
    assert all(written.is_kept(explanation.kept) for explanation in found.values())

    interrupted.clear()
    with pytest.raises(KeyboardInterrupt):
        list(explain_many([written.image] * 3, classifier, on_interrupt="raise", **options))


def test_an_interrupt_hands_out_nothing_twice():
    planted = plant("needs_a")
    found = explain_many([planted.image] * 3, planted.scores, in_flight_images=3, **OPTIONS)
    first, _ = next(found)
    with contextlib.suppress(StopIteration):  # as if Ctrl-C came where the iteration goes on
        second, _ = found.throw(KeyboardInterrupt())
        assert second != first
    assert first not in dict(found)


def test_whoever_stops_early_again_and_again_gets_the_best_so_far():
    planted = plant("needs_four_corners")

    def stop(progress):
        if progress.n_calls > 30:
            raise StopEarly

    options = {**OPTIONS, "partitions": 30, "progress": stop, "batch_size": 8}
    alone = explain(planted.image, planted.scores, **options)
    found = dict(explain_many([planted.image] * 9, planted.scores, in_flight_images=3, **options))
    assert 0 in found
    for explanation in (alone, *found.values()):
        assert any("Interrupted during search" in note for note in explanation.notes)
        assert planted.is_kept(explanation.kept)


def test_a_stop_at_the_very_end_asks_nothing_again():
    planted = plant("needs_a")
    whole = explain(planted.image, planted.scores, **OPTIONS)
    n_reports = 0

    def stop(progress):
        nonlocal n_reports
        n_reports += progress.phase == "verification"
        if n_reports == 2:  # it is told when it begins, and when it is over
            raise StopEarly

    found = explain(planted.image, planted.scores, progress=stop, **OPTIONS)
    assert n_reports == 2
    assert found.statistics["model_calls"] == whole.statistics["model_calls"]
    assert content(found) == content(whole)


def test_what_progress_raises_ends_it():
    planted = plant("needs_a")

    def stop(progress):
        raise RuntimeError(f"stopped at {progress.index}")

    with pytest.raises(RuntimeError, match="stopped at 0"):
        list(explain_many([planted.image] * 3, planted.scores, progress=stop, **OPTIONS))


def test_memory_does_not_grow_with_the_number_of_images(planted):
    written = planted("needs_a", size=(128, 128))
    classifier = OnnxClassifier(written.path, device="cpu", threads=1)

    def peak(n):
        tracemalloc.start()
        for _ in explain_many(
            (written.image.copy() for _ in range(n)), classifier, partitions=2, grid=4, in_flight_images=3
        ):
            pass
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    peak(2)
    assert peak(40) < peak(6) * 1.2


def test_a_broken_classifier_fails_each_image():
    def broken(_):
        raise ZeroDivisionError("no")

    found = dict(explain_many([np.zeros((16, 16, 3), np.uint8)] * 3, broken))
    assert all(
        isinstance(error, DccausalError) and "ZeroDivisionError" in str(error) for error in found.values()
    )
    assert len(found) == 3
