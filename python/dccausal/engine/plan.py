"""What the options of ``explain`` come to, once they are checked: how each image is to be explained."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dccausal import _core
from dccausal._shared.cores import count_cores
from dccausal.classifier import Classifier, resolve_label
from dccausal.engine.asker import Asker
from dccausal.engine.backend import Backend, check_alike
from dccausal.engine.finder import MakeSearch
from dccausal.engine.guide import guided
from dccausal.engine.job import Job
from dccausal.engine.opening import backend_of, open_for
from dccausal.engine.options import Options
from dccausal.errors import ImageError, OptionError
from dccausal.explanation.explanation import Explanation
from dccausal.explanation.record import AskedBaseline
from dccausal.inputs.baseline import make_baselines, name_of, split_baselines
from dccausal.inputs.photo import read_photo
from dccausal.inputs.view import View
from dccausal.targets import Label, Similarity, Subject

if TYPE_CHECKING:
    from dccausal.engine.options import Photo
    from dccausal.inputs.baseline import Baseline, Baselines

# A side of fewer pixels cannot be cut; one of more does not fit the core's numbers.
_SIDES = (2, 65535)


@dataclass(frozen=True, eq=False)
class Plan:
    """
    How images are to be explained.

    Attributes
    ----------
    backend
        What is to be explained.
    label
        The index of the label to explain; None for the top one.
    threads
        Threads that mask images.
    options
        All options.
    subject
        What is to be explained, where that is no label.
    others
        The same model on other devices, which share the work.
    other_label
        The index of the label that the kind "why-not" asks for.
    guide
        Makes the search where the model's gradients guide it.

    """

    backend: Backend
    label: int | None
    threads: int
    options: Options
    others: tuple[Backend, ...] = ()
    subject: Subject | None = None
    other_label: int | None = None
    guide: MakeSearch | None = None

    @classmethod
    def of(
        cls,
        classifier: str | os.PathLike[str] | Classifier,
        options: Options,
        others: tuple[Classifier, ...] = (),
    ) -> Self:
        """
        Load the model and find the label; ``others`` are the same model on other devices.

        Raises
        ------
        OptionError, ModelError, RuntimeMissingError, DeviceError
            As in ``explain``.

        """
        opened, label, subject = open_for(classifier, options.target)
        check_alike(opened, others)
        names, n_classes = getattr(opened, "names", None), getattr(opened, "n_classes", None)
        index = resolve_label(label, names, n_classes)
        is_nearest = isinstance(subject, Similarity) and subject.n_references > 1
        if options.kind == "why-not" and not (subject is None or is_nearest or isinstance(subject, Label)):
            raise OptionError(
                "kind is why-not, but the target is no label; a label to explain, or one of several references, is "
                "needed for it"
            )
        if isinstance(subject, Similarity):
            other = resolve_label(options.other, subject.names, subject.n_references, "other")
        else:
            other = resolve_label(options.other, names, n_classes, "other")
        if subject is not None:
            subject.check(names, n_classes)
        threads = count_cores() if options.threads is None else options.threads
        backend, more = backend_of(opened, subject), tuple(backend_of(one, subject) for one in others)
        guide = guided(opened, subject) if options.settings.guide == "gradient" else None
        return cls(backend, index, threads, options, more, subject, other, guide)

    def asker(self) -> Asker:
        """Return the ``Asker`` of these classifiers, a context manager."""
        batch_size, in_flight = self.options.batch_size, self.options.in_flight
        backends = (self.backend, *self.others)
        return Asker(*backends, batch_size=batch_size, in_flight=in_flight, threads=self.threads)

    def prepare(self, image: Photo, index: int = 0, make_search: MakeSearch | None = None) -> Job:
        """
        Load an image and return its job, yet to be begun; another search may take the causal one's place.

        Raises
        ------
        ImageError, OptionError
            If the image or the baseline cannot be used.

        """
        if make_search is None:
            make_search = self.guide
        photo = read_photo(image, stretch=self.backend.stretch)
        x, placement = self.backend.prepare(photo.image)
        low, high = _SIDES
        if not all(low <= side <= high for side in x.shape[:2]):
            raise ImageError(
                f"the image is {x.shape[1]} x {x.shape[0]} pixels; sides of {low} to {high} are needed to cut it"
            )
        baselines = make_baselines(self.options.baseline, x)
        source = os.fspath(image) if isinstance(image, str | os.PathLike) else None
        view = View(x, baselines, photo.image, placement, source, index)
        classifier = self.backend.classifier
        job = Job(
            view,
            self.options,
            label=self.label,
            multi_label=bool(getattr(classifier, "multi_label", False)),
            threshold=getattr(classifier, "threshold", None),
            make_search=make_search,
            subject=self.subject,
            names=getattr(classifier, "names", None),
        )
        job.ask_for(self.other_label)
        job.found.remarks = (*photo.notes, *self.backend.remarks(photo.image))
        return job

    def explanation(self, job: Job, asker: Asker) -> Explanation:
        """Return what came out of a job that is done."""
        view, found, label = job.view, job.found, job.target.label
        names = getattr(self.backend.classifier, "names", None)
        if isinstance(self.subject, Similarity):
            names = self.subject.names if self.subject.n_references > 1 else None
        return Explanation(
            heatmap=found.heatmap,
            kept=found.kept,
            levels=found.levels,
            kind=found.kind.named(names),
            label=label,
            name=names[label] if names is not None and label < len(names) else None,
            score=found.target.score,
            explanation_score=found.explanation_score,
            outcome=found.outcome,
            notes=(*found.notes, *found.remarks),
            image=view.image,
            baseline=view.baseline,
            baselines=self._baselines(job),
            photo=view.photo,
            placement=view.placement,
            source=view.source,
            provenance=self._provenance(job, asker),
            statistics=job.statistics(),
            trees=job.trees(),
            target=job.target.to_dict(),
        )

    def _baselines(self, job: Job) -> tuple[AskedBaseline, ...]:
        """Return what was asked beside, with the explanation's score there."""
        found, given = job.found, split_baselines(self.options.baseline)
        scores = found.baseline_scores or (float("nan"),) * len(given)
        return tuple(
            AskedBaseline(name=name_of(one), image=image, score=score)
            for one, image, score in zip(given, job.view.baselines, scores, strict=True)
        )

    def _provenance(self, job: Job, asker: Asker) -> dict[str, Any]:
        options, backends = self.options, (self.backend, *self.others)
        return {
            **_versions(),
            "classifier": self.backend.provenance(),
            "devices": [getattr(one.classifier, "device", None) for one in backends],
            "seed": options.seed,
            "profile": options.profile if isinstance(options.profile, str) else "custom",
            **options.settings.to_dict(),
            "trees": options.trees,
            "target": options.target if self.subject is None else self.subject.to_dict(),
            "top_k": job.target.top_k,
            "kind": options.kind,
            "other": options.other,
            "n": options.n,
            "overlap": options.overlap,
            "within": options.within,
            "min_confidence": job.found.share,
            "baseline": _describe(options.baseline),
            "max_calls": options.max_calls,
            "threads": self.threads,
            "in_flight": asker.in_flight,
            "batch_size": asker.capacity(job.view.image),
        }


def _versions() -> dict[str, str]:
    from PIL import __version__ as pillow

    return {
        "dccausal": _core.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": pillow,
        "platform": platform.platform(),
    }


def _describe(given: Baselines) -> Any:
    several = split_baselines(given)
    return _describe_one(several[0]) if len(several) == 1 else [_describe_one(one) for one in several]


def _describe_one(baseline: Baseline) -> Any:
    if isinstance(baseline, str | os.PathLike):
        return os.fspath(baseline)
    if isinstance(baseline, tuple | list):
        return [int(channel) for channel in baseline]
    return "image"
