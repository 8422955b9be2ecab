"""Several targets of one image explained together: one masked image serves all of them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import whole_number
from dccausal.classifier import Classifier, resolve_label
from dccausal.engine.backend import Backend
from dccausal.engine.job import Job
from dccausal.engine.masking.batch import Rows
from dccausal.engine.opening import backend_of, open_for
from dccausal.engine.options import GivenOptions, Options
from dccausal.engine.plan import Plan
from dccausal.engine.whole_images import WholeImages
from dccausal.errors import OptionError
from dccausal.explanation.explanation import Explanation
from dccausal.targets import Box, Subject, Target
from dccausal.targets.answers import joined, rows_of
from dccausal.targets.frame import Frame

if TYPE_CHECKING:
    from dccausal.engine.options import Photo
    from dccausal.targets.boxes import Candidates

Verdict = tuple[bool, np.float32]

# Halves and refined partitions are asked for each target alone, and only tell what is outside of the sets.
_SETTINGS = {"halves": 0, "partitions": 1}


def explain_together(
    image: Photo,
    classifier: str | os.PathLike[str] | Classifier,
    targets: Sequence[int | str | Subject] | int | str,
    **options: Unpack[GivenOptions],
) -> list[Explanation]:
    """
    Explain several targets of one image, with model calls that serve all of them.

    Whatever is asked for one target is answered for every one: the search asks of all what it would ask of one. What
    the default profile asks for one target alone and only tells what is outside of the sets is left out: halves beside
    them, and all but one partition, unless ``halves`` and ``partitions`` say so. All else is what ``explain`` gives for
    each.

    Parameters
    ----------
    image, classifier
        As for ``explain``.
    targets
        The labels, boxes or others; "boxes" for every box that a detector sees in the photograph, or a number for so
        many of the best labels.
    options
        All keyword options of ``explain`` but ``target``. ``max_calls`` is for each target.

    Returns
    -------
    list[Explanation]
        In the order of the targets. The model calls of each are those that were made for it first, so that their sum
        is what all of them cost.

    Raises
    ------
    OptionError, ImageError, ModelError, ClassifierError
        As by ``explain``.

    Examples
    --------
    >>> import numpy as np
    >>> from dccausal.engine import explain_together
    >>> photo = np.zeros((64, 64, 3), np.uint8)
    >>> photo[40:48, 8:16, 0], photo[8:16, 40:48, 1] = 255, 255
    >>> def classify(images):
    ...     red, green = images[:, 40:48, 8:16, 0], images[:, 8:16, 40:48, 1]
    ...     both = np.stack([red.mean(axis=(1, 2)), green.mean(axis=(1, 2)) * 0.9], axis=1) / 255
    ...     return np.concatenate([both, np.full((len(both), 1), 0.2)], axis=1)
    >>> [one.label for one in explain_together(photo, classify, 2, grid=8)]
    [0, 1]

    """
    if options.get("target") is not None:
        raise OptionError("target was given; targets says what is explained")
    settings: dict[str, Any] = dict(options)
    if settings.get("profile", "default") == "default":
        settings |= {name: value for name, value in _SETTINGS.items() if settings.get(name) is None}
    first = Options.of({**settings, "target": _kind(targets)})
    base = Plan.of(classifier, first)
    wanted = _targets(targets, base, image)
    plans = [_plan(base, replace(first, target=one)) for one in wanted]
    jobs = [plan.prepare(image) for plan in plans]
    answers = _Answers(base.backend, jobs)
    try:
        answers.finish()
    except KeyboardInterrupt:
        left = [job for job in jobs if not job.is_done]
        if first.on_interrupt == "raise" or not all(job.cut_short() for job in left):
            raise
        answers.finish()
    with base.asker() as asker:
        return [plan.explanation(job, asker) for plan, job in zip(plans, jobs, strict=True)]


def _kind(targets: Any) -> Any:
    """Return one target of the kind that is asked for, by which the model is opened."""
    if targets == "boxes":
        return Box()
    if isinstance(targets, int):
        whole_number("targets", targets, 1)
        return None
    if isinstance(targets, str) or not targets:
        raise OptionError(f'targets is {targets!r}; targets, "boxes", or a number of best labels is needed')
    return targets[0]


def _targets(targets: Any, plan: Plan, image: Photo) -> list[Any]:
    """Return the targets that are meant; those that the model sees are looked for in the photograph."""
    if not isinstance(targets, int | str):
        return list(targets)
    x = plan.prepare(image).view
    answer = _ask(plan.backend, x.image, x.baselines, x.image[None])
    if targets == "boxes":
        found: Candidates = answer
        frame = Frame(x.placement.photo_size, x.placement.box, x.image.shape[:2])
        boxes = frame.clipped(found.in_photo(frame)[:, :4])
        seen = [i for i, box in enumerate(boxes) if box[2] > box[0] and box[3] > box[1]]
        if not seen:
            raise OptionError("the detector sees nothing in this photograph; another one is needed")
        return [Box(i) for i in seen]
    scores = np.asarray(answer)
    if plan.subject is not None or scores.ndim != 2:  # noqa: PLR2004
        raise OptionError(f"targets is {targets}; scores of a classifier are needed for its best labels")
    return [int(label) for label in np.argsort(-scores[0], kind="stable")[: int(targets)]]


def _plan(base: Plan, options: Options) -> Plan:
    """Return the plan for another target of the model that was opened."""
    opened, label, subject = open_for(base.backend.classifier, options.target)
    known = (getattr(opened, "names", None), getattr(opened, "n_classes", None))
    if subject is not None:
        subject.check(*known)
    if (subject is None) != (base.subject is None) or (
        subject is not None and base.subject is not None and subject.needs != base.subject.needs
    ):
        raise OptionError(
            "targets of several kinds were given; targets that read the same answers are needed"
        )
    return replace(
        base,
        backend=backend_of(opened, subject),
        label=resolve_label(label, *known),
        options=options,
        subject=subject,
    )


def _ask(
    backend: Backend, image: NDArray[np.uint8], baselines: NDArray[np.uint8], images: NDArray[np.uint8]
) -> Any:
    pair = backend.pair(image, baselines, 1)
    batch = backend.batch()
    parts = [Rows(pair, WholeImages(images, 0), 0, _NOBODY)]
    batch.mask(parts, len(images))
    return batch.answer(parts)[0]


_NOBODY: Any = None


class _Answers:
    """
    Asks the model about each set of masked pixels once, and answers it for all targets.

    Parameters
    ----------
    backend
        The model.
    jobs
        One for each target, of one image.

    """

    def __init__(self, backend: Backend, jobs: Sequence[Job]) -> None:
        self._backend, self._jobs, self._view = backend, jobs, jobs[0].view
        self._pair = backend.pair(self._view.image, self._view.baselines, 1)
        self._batch = backend.batch()
        self._capacity = backend.capacity(backend.image_bytes or self._view.image.nbytes)
        self._verdicts: dict[bytes, dict[Target, Verdict]] = {}
        self._whole: dict[bytes, Any] = {}

    def finish(self) -> None:
        """Go on until every job is done."""
        while not all(job.is_done for job in self._jobs):
            self._serve()

    def _serve(self) -> None:
        """Take what each job asks now, have what is new answered, and hand out the verdicts."""
        asked = [(i, one) for i, job in enumerate(self._jobs) for one in self._proposed(job)]
        new: dict[bytes, tuple[NDArray[np.uint8], int]] = {}
        keys: list[list[bytes]] = []
        for i, one in asked:
            if isinstance(one, WholeImages):
                own = [pixels.tobytes() for pixels in one.images]
                shown = list(one.images)
            else:
                bits = one.bits()
                own = [bytes([one.baseline]) + row.tobytes() for row in bits]
                is_new = [key not in self._verdicts and key not in new for key in own]
                masked = one.masked() if any(is_new) else None
                shown = [
                    self._masked(masked[row], one.baseline) if masked is not None and is_new[row] else None
                    for row in range(len(own))
                ]
            keys.append(own)
            for key, pixels in zip(own, shown, strict=True):
                known: Any = self._whole if isinstance(one, WholeImages) else self._verdicts
                if pixels is not None and key not in known and key not in new:
                    new[key] = (pixels, i)
        self._answer(new, {key for (_, one), own in zip(asked, keys, strict=True)
                           if isinstance(one, WholeImages) for key in own})  # fmt: skip
        for (i, one), own in zip(asked, keys, strict=True):
            if isinstance(one, WholeImages):
                self._jobs[i].take(one, joined([self._whole[key] for key in own]))
            else:
                verdicts = [self._verdicts[key][self._jobs[i].asked_target] for key in own]
                passing = np.array([passes for passes, _ in verdicts], dtype=np.bool_)
                scores = np.array([score for _, score in verdicts], dtype=np.float32)
                self._jobs[i].take(one, (passing, scores))

    def _proposed(self, job: Job) -> list[Any]:
        found = []
        while (one := job.propose(self._capacity)) is not None:
            found.append(one)
        return found

    def _masked(self, masked: NDArray[np.bool_], baseline: int) -> NDArray[np.uint8]:
        return np.where(masked[..., None], self._view.baselines[baseline], self._view.image)

    def _answer(self, new: dict[bytes, tuple[NDArray[np.uint8], int]], whole: set[bytes]) -> None:
        """Have the model answer what is new, a batch at a time."""
        keys = list(new)
        for start in range(0, len(keys), self._capacity):
            some = keys[start : start + self._capacity]
            images = np.stack([new[key][0] for key in some])
            rows = [Rows(self._pair, WholeImages(images, 0), 0, _NOBODY)]
            started = time.perf_counter()
            self._batch.mask(rows, self._capacity)
            answer = self._batch.answer(rows)[0]
            seconds = (time.perf_counter() - started) / len(some)
            for row, key in enumerate(some):
                self._jobs[new[key][1]].account(1, seconds)
                if key in whole:
                    self._whole[key] = rows_of(answer, slice(row, row + 1))
            if not all(key in whole for key in some):
                judged = {target: target.judge(answer) for job in self._jobs for target in job.targets}
                for row, key in enumerate(some):
                    self._verdicts[key] = {
                        target: (bool(passes[row]), scores[row])
                        for target, (passes, scores) in judged.items()
                    }
