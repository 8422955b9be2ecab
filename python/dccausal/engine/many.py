"""Many images: their searches share the batches, so that these are full even where one image asks little."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, Unpack, cast

import numpy as np

from dccausal._shared.checks import one_of, whole_number
from dccausal.classifier import Classifier
from dccausal.engine.asker import Asker, work
from dccausal.engine.backend import Backend
from dccausal.engine.options import GivenOptions, Options
from dccausal.engine.plan import Plan
from dccausal.engine.task import ImageTask
from dccausal.errors import DccausalError, OptionError
from dccausal.explanation.explanation import Explanation
from dccausal.inputs.baseline import make_baselines, split_baselines

if TYPE_CHECKING:
    from dccausal.engine.options import Photo

# What the images in flight may take; there are from 2 to 8 of them, and 4 where their size is not known.
_BYTES = 32 << 20
# What the photographs that belong to them may take, where that leaves two.
_PHOTO_BYTES = 32 << 20
_FEW, _SOME, _MANY = 2, 4, 8
# Photographs that are prepared and wait for room in a batch, or are being prepared.
_AHEAD = 2


def explain_many(
    images: Iterable[Photo],
    classifier: str | os.PathLike[str] | Classifier | Sequence[Classifier],
    *,
    in_flight_images: int | None = None,
    on_error: Literal["return", "raise"] = "return",
    **options: Unpack[GivenOptions],
) -> Iterator[tuple[int, Explanation | DccausalError]]:
    """
    Explain what a classifier says about many images.

    A search asks its questions in rounds, and the last batch of a round is seldom full; the steps towards a
    minimal explanation ask only a few questions at a time. Here the questions of the next images fill the rest
    of such a batch. Every explanation is the one that ``explain`` gives, to the last bit, as long as the
    classifier gives an image the same scores whatever else is in the batch.

    Parameters
    ----------
    images
        Photographs as ``explain`` takes them. The iterable is read as images are begun, and by this thread. An
        iterator that has a method ``is_ready`` is asked whether its next image is there; while it is not, the images
        that were begun go on, and it is waited for only where there is nothing else to do.
    classifier
        As for ``explain``; it is loaded once. Or several ``OnnxClassifier`` of one model on several devices:
        each gets the next batch when it has room for one, whatever image its questions are about. Where a
        batch fails on one of them and another gives its answers, the first is left out from then on, which
        the log says.
    in_flight_images
        At most this many images are taken from ``images`` and not yet handed out, 1 to 1024. By default 2 to
        8, as many as fit into 32 MiB with their baselines, and with their photographs into another 32 MiB; 4
        for a classifier that is no ``OnnxClassifier``. A new one is begun only where a batch has room left, the
        oldest comes first.
    on_error
        What becomes of an image that cannot be explained: "return" its error in place of an explanation, or
        "raise" it, which ends the iteration.
    options
        All keyword options of ``explain``, with the same defaults. ``max_calls`` is for each image. What
        ``progress`` is given tells the image by its ``index``. After Ctrl-C, "return" hands out the best of the
        images in flight and ends; those that had not been begun are left out.

    Returns
    -------
    Iterator
        Pairs of the image's place in ``images``, from 0, and its explanation or error, in the order in which
        they are finished. An iterator that is left early is to be closed (``contextlib.closing``) to stop at
        once.

    Raises
    ------
    OptionError
        If an option is out of its range; at once, before any image is read.
    ModelError, RuntimeMissingError, DeviceError
        If the model cannot be loaded; at once.

    Examples
    --------
    >>> import numpy as np
    >>> from dccausal.many import explain_many
    >>> photos = np.zeros((3, 64, 64, 3), np.uint8)
    >>> photos[:, 40:48, 8:16, 0] = 255
    >>> def classify(images):
    ...     return (images[:, 40:48, 8:16, 0].mean(axis=(1, 2)) > 200).astype(int)
    >>> for index, explanation in explain_many(photos, classify, grid=8):
    ...     print(index, explanation.outcome, float(explanation.size))
    0 minimal 0.015625
    1 minimal 0.015625
    2 minimal 0.015625

    """
    one_of("on_error", on_error, ("return", "raise"))
    if in_flight_images is not None:
        whole_number("in_flight_images", in_flight_images, 1, 1024)
    first, others = _first(classifier)
    plan = Plan.of(first, Options.of(options), others)
    if plan.backend.size is not None:
        make_baselines(plan.options.baseline, np.zeros((*plan.backend.size, 3), dtype=np.uint8))
    n_baselines = len(split_baselines(plan.options.baseline))
    most = in_flight_images or _default_in_flight(plan.backend, n_baselines) * (1 + len(others))
    return _explanations(plan, iter(images), most, is_raising=on_error == "raise")


def _first(
    classifier: str | os.PathLike[str] | Classifier | Sequence[Classifier],
) -> tuple[str | os.PathLike[str] | Classifier, tuple[Classifier, ...]]:
    if not isinstance(classifier, list | tuple):
        return cast("str | os.PathLike[str] | Classifier", classifier), ()
    if not classifier:
        raise OptionError("classifier is an empty sequence; at least one is needed")
    return classifier[0], tuple(classifier[1:])


def _default_in_flight(backend: Backend, n_baselines: int) -> int:
    if backend.size is None or backend.image_bytes is None:
        return _SOME
    # The image and the baselines, as pixels and as the model's numbers.
    n_bytes = (1 + n_baselines) * (3 * backend.size[0] * backend.size[1] + backend.image_bytes)
    return min(_MANY, max(_FEW, _BYTES // n_bytes))


def _explanations(
    plan: Plan, images: Iterator[Photo], most: int, *, is_raising: bool
) -> Iterator[tuple[int, Explanation | DccausalError]]:
    active: list[ImageTask] = []

    def outcome(task: ImageTask) -> tuple[int, Explanation | DccausalError]:
        if task.job is not None and task.error is None:
            return task.index, plan.explanation(task.job, asker)
        if is_raising or task.error is None:
            raise task.error or DccausalError("the image was not prepared")
        return task.index, task.error

    with plan.asker() as asker, _Intake(plan, asker, images, active, most) as intake:
        handed_out: ImageTask | None = None
        try:
            for task in work(asker, active, intake.take):
                found = outcome(task)
                handed_out = task
                yield found
        except KeyboardInterrupt:
            asker.drop()
            if plan.options.on_interrupt == "raise":
                raise
            left = [task for task in active if task is not handed_out]
            active[:] = [task for task in left if task.is_done or (task.job and task.job.cut_short())]
            for task in work(asker, active, lambda _: None):
                yield outcome(task)


class _Intake:
    """
    Prepares images, two ahead in a thread of its own, so that decoding photographs keeps nothing waiting.

    Parameters
    ----------
    plan, asker
        Make a task of an image.
    images
        Where they come from.
    active
        The tasks begun and not handed out yet.
    most
        How many these and those being prepared may be together.

    """

    def __init__(
        self, plan: Plan, asker: Asker, images: Iterator[Photo], active: list[ImageTask], most: int
    ) -> None:
        self._plan, self._asker, self._images, self._active, self._most = plan, asker, images, active, most
        self._n_taken = 0
        self._is_ready: Callable[[], bool] = getattr(images, "is_ready", lambda: True)
        self._ahead: deque[Future[ImageTask]] = deque()
        self._pool = ThreadPoolExecutor(1, "dccausal-photo")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self, may_wait: bool) -> ImageTask | None:  # noqa: FBT001  work() says what it is
        """Return the next task, None if there is none or it is not ready and may not be waited for."""
        self._look_ahead(may_wait=may_wait)
        if not self._ahead or not (may_wait or self._ahead[0].done()):
            return None
        task = self._ahead.popleft().result()
        self._look_ahead(n_more=1)
        return task

    def _look_ahead(self, n_more: int = 0, *, may_wait: bool = False) -> None:
        while len(self._ahead) < _AHEAD and self._has_room(len(self._active) + len(self._ahead) + n_more):
            is_idle = may_wait and not (self._active or self._ahead)
            if not (is_idle or self._is_ready()):
                return
            try:
                image = next(self._images)
            except StopIteration:
                return
            index, self._n_taken = self._n_taken, self._n_taken + 1
            self._ahead.append(self._pool.submit(self._prepare, image, index))

    def _has_room(self, n: int) -> bool:
        """Return whether another image may be taken beside ``n``."""
        if n >= self._most or n < _FEW:
            return n < self._most
        sizes = [task.job.view.photo.size for task in self._active if task.job is not None]
        n_bytes = sum(3 * width * height for width, height in sizes)
        # Those that are not prepared yet are taken to be like the others.
        return bool(sizes) and n_bytes * (n + 1) <= _PHOTO_BYTES * len(sizes)

    def _prepare(self, image: Photo, index: int) -> ImageTask:
        try:
            return self._asker.task(self._plan.prepare(image, index))
        except DccausalError as error:
            return ImageTask(index, None, None, error)
