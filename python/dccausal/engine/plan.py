"""What the options of ``explain`` come to, once they are checked: how each image is to be explained."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from dccausal import _core
from dccausal._shared.checks import whole_number
from dccausal._shared.cores import count_cores
from dccausal.classifier import Classifier, resolve_label
from dccausal.engine.asker import Asker
from dccausal.engine.finder import MakeFinder
from dccausal.engine.job import Job
from dccausal.engine.options import Options, _check
from dccausal.engine.profiles import Profile
from dccausal.errors import ImageError, OptionError
from dccausal.explanation.explanation import Explanation
from dccausal.inputs.baseline import make_baseline
from dccausal.inputs.photo import read_photo
from dccausal.inputs.preprocess import Placement
from dccausal.inputs.view import View
from dccausal.onnx.card import guess_notes
from dccausal.onnx.classifier import OnnxClassifier

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.inputs.baseline import Baseline

    Photo = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]

# What classifiers have in common that share the work.
_SAME = ("sha256", "size", "layout", "dtype", "channels", "preprocess", "scores", "names")
# A side of fewer pixels cannot be cut; one of more does not fit the core's numbers.
_SIDES = (2, 65535)


@dataclass(frozen=True, eq=False)
class Plan:
    """
    How images are to be explained.

    Attributes
    ----------
    classifier
        What is to be explained.
    settings
        The profile with all that replaces its values.
    label
        The index of the label to explain; None for the top one.
    threads
        Threads that draw masked images.
    options
        All options as they were given.
    others
        The same model on other devices, which share the work.

    """

    classifier: Classifier
    settings: Profile
    label: int | None
    threads: int
    options: Options
    others: tuple[OnnxClassifier, ...] = ()

    @classmethod
    def of(cls, classifier: str | os.PathLike[str] | Classifier, **options: Unpack[Options]) -> Self:
        """
        Check the options of ``explain``, all of which are to be given, and load the model.

        Raises
        ------
        OptionError, ModelError, RuntimeMissingError, DeviceError
            As in ``explain``.

        """
        names = [field.name for field in fields(Profile)]
        settings = Profile.of(options["profile"], **{name: options.get(name) for name in names})
        _check(options)
        threads = options["threads"]
        threads = count_cores() if threads is None else whole_number("threads", threads, 1, 1024)
        if isinstance(classifier, str | os.PathLike):
            classifier = OnnxClassifier(classifier)
        if not callable(classifier):
            raise OptionError(
                f"classifier is {type(classifier).__name__}; the path of an ONNX file or a callable is needed"
            )
        label = resolve_label(
            options["target"], getattr(classifier, "names", None), getattr(classifier, "n_classes", None)
        )
        return cls(classifier, settings, label, threads, options)

    def asker(self) -> Asker:
        """Return what asks the classifier; it is to be entered."""
        batch_size, in_flight = self.options["batch_size"], self.options["in_flight"]
        return Asker(
            self.classifier, *self.others, batch_size=batch_size, in_flight=in_flight, threads=self.threads
        )

    def shared(self, others: Sequence[OnnxClassifier]) -> Self:
        """
        Return the plan in which the same model on other devices shares the work.

        Raises
        ------
        OptionError
            If one of the classifiers is not the same model, read and fed in the same way.

        """
        first = self.classifier
        for other in others:
            if not isinstance(first, OnnxClassifier) or not isinstance(other, OnnxClassifier):
                raise OptionError(
                    f"classifiers of {type(first).__name__} and {type(other).__name__} were given; "
                    "several have to be OnnxClassifiers"
                )
            differing = [name for name in _SAME if getattr(first, name) != getattr(other, name)]
            if differing:
                raise OptionError(
                    f"classifiers that differ in {', '.join(differing)} were given; "
                    "one model on several devices is needed"
                )
        return replace(self, others=tuple(others))

    def prepare(self, image: Photo, index: int = 0, make_finder: MakeFinder | None = None) -> Job:
        """
        Load an image and return its job, yet to be begun; a finder takes the place of the causal search.

        Raises
        ------
        ImageError, OptionError
            If the image or the baseline cannot be used.

        """
        classifier = self.classifier
        stretch = isinstance(classifier, OnnxClassifier) and classifier.preprocess.stretch
        found = read_photo(image, stretch=stretch)
        photo = found.image
        x, placement = _see(photo, classifier)
        baseline = make_baseline(self.options["baseline"], x)
        source = os.fspath(image) if isinstance(image, str | os.PathLike) else None
        job = Job(
            View(x, baseline, photo, placement, source, index),
            self.settings,
            seed=self.options["seed"],
            trees=self.options["trees"],
            label=self.label,
            top_k=self.options["top_k"],
            multi_label=bool(getattr(classifier, "multi_label", False)),
            threshold=getattr(classifier, "threshold", None),
            min_confidence=self.options["min_confidence"],
            max_calls=self.options["max_calls"],
            progress=self.options["progress"],
            make_finder=make_finder,
        )
        job.remarks = found.notes
        if isinstance(classifier, OnnxClassifier):
            job.remarks += (*guess_notes(classifier, photo), *classifier.cautions)
        return job

    def explanation(self, job: Job, asker: Asker) -> Explanation:
        """Return what came out of a job that is done."""
        view, label = job.view, job.target.label
        names = getattr(self.classifier, "names", None)
        return Explanation(
            heatmap=job.heatmap,
            kept=job.kept,
            label=label,
            name=names[label] if names is not None and label < len(names) else None,
            score=job.target.score,
            explanation_score=job.explanation_score,
            outcome=job.outcome,
            notes=(*job.notes, *job.remarks),
            image=view.image,
            baseline=view.baseline,
            photo=view.photo,
            placement=view.placement,
            source=view.source,
            provenance=self._provenance(job, asker),
            statistics=job.statistics(),
            trees=job.trees(),
        )

    def _provenance(self, job: Job, asker: Asker) -> dict[str, Any]:
        profile, options = self.options["profile"], self.options
        return {
            **_versions(),
            "classifier": _provenance_of(self.classifier),
            "devices": [getattr(one, "device", None) for one in (self.classifier, *self.others)],
            "seed": options["seed"],
            "profile": profile if isinstance(profile, str) else "custom",
            **self.settings.to_dict(),
            "trees": options["trees"],
            "target": options["target"],
            "top_k": job.target.top_k,
            "min_confidence": options["min_confidence"],
            "baseline": _describe(options["baseline"]),
            "max_calls": options["max_calls"],
            "threads": self.threads,
            "in_flight": asker.in_flight,
            "batch_size": asker.capacity(job.view.image),
        }


def _see(photo: Image.Image, classifier: Classifier) -> tuple[NDArray[np.uint8], Placement]:
    """Return what the classifier sees of a photograph, and where that lies in it."""
    if isinstance(classifier, OnnxClassifier):
        x, placement = classifier.prepare(photo)
    else:
        x = np.array(photo, dtype=np.uint8)
        width, height = photo.size
        placement = Placement(photo_size=(width, height), box=(0.0, 0.0, float(width), float(height)))
    low, high = _SIDES
    if not all(low <= side <= high for side in x.shape[:2]):
        raise ImageError(
            f"the image is {x.shape[1]} x {x.shape[0]} pixels; sides of {low} to {high} are needed to cut it"
        )
    return x, placement


def _provenance_of(classifier: Classifier) -> dict[str, Any]:
    if isinstance(classifier, OnnxClassifier):
        return classifier.provenance()
    kind = classifier if hasattr(classifier, "__qualname__") else type(classifier)
    return {"runtime": "callable", "name": f"{kind.__module__}.{kind.__qualname__}"}


def _versions() -> dict[str, str]:
    from PIL import __version__ as pillow

    return {
        "dccausal": _core.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": pillow,
        "platform": platform.platform(),
    }


def _describe(baseline: Baseline) -> Any:
    if isinstance(baseline, str | os.PathLike):
        return os.fspath(baseline)
    if isinstance(baseline, tuple | list):
        return [int(channel) for channel in baseline]
    return "image"
