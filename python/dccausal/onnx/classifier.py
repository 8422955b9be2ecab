"""Image classifiers that are ONNX files, run by ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Literal

from dccausal._shared.checks import whole_number
from dccausal._shared.cores import count_cores
from dccausal._shared.text import shown
from dccausal.errors import OptionError
from dccausal.inputs.framing import Geometry
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.model_classifier import ModelClassifier
from dccausal.onnx.opening import Given, Loaded, runtime_facts
from dccausal.onnx.reading.feed import Feed
from dccausal.onnx.reading.names import Labels
from dccausal.onnx.reading.scores import SCORES, Scores
from dccausal.onnx.reading.trial import Request, read_model
from dccausal.onnx.running.batch_size import calibrate
from dccausal.onnx.running.composing import Composer, find_composer
from dccausal.onnx.running.device import Provider
from dccausal.onnx.running.runner import Runner
from dccausal.onnx.running.session import settle_batch
from dccausal.onnx.running.source import Source, reopened
from dccausal.onnx.white_box import WithGradients


class OnnxClassifier(ModelClassifier, WithGradients):
    """
    An ONNX image classifier, and all that is known about it.

    What the options leave open is read from the model, from its metadata, or found out by running a few
    random images; ``provenance()`` tells what was found and why.

    Parameters
    ----------
    model
        The path of an ONNX file, or its bytes.
    device
        "auto" takes CUDA where this build of ONNX Runtime has it, and the CPU otherwise, saying so once where
        CUDA was to be had and did not load. "cpu"; "cuda" or "cuda:1" is an error where it is not really
        there.
    providers
        ONNX Runtime's execution providers, names or (name, options), in place of ``device``: for TensorRT and
        others. The first must load.
    batch_size
        Images a run; "auto" is 64 on CUDA, and on the CPU what a trial of at most a quarter of a second finds
        to be fastest, once for a model and a machine; 4 where it is switched off by the environment variable
        ``DCCAUSAL_CALIBRATION=off``. A model that takes only another number runs with that, the last batch
        filled up, unless its batch dimension can be freed (see ``notes``).
    preprocess
        A ``Preprocess``, the name of a preset, a dict or the path of a JSON file of one. By default the
        model's metadata tells, or a file that its exporter wrote beside it (preprocessor_config.json,
        config.json), or it is guessed; ``preprocess_reason`` says which.
    geometry, size, crop_ratio, stretch
        Fields of ``Preprocess`` that are set whatever the others are and wherever they come from: how a
        photograph is brought to size, (height, width), the share that a cut keeps, and whether 16-bit photographs
        are stretched.
    labels
        Class names: a sequence, a mapping from index or from name, or the path of a file (text, CSV, JSON, YAML,
        TensorFlow's label map). By default from metadata, or from config.json beside the model.
    input, output
        Names, for models with several. By default the only input like images, and the output that is called
        scores, ends in a softmax or sigmoid, or is computed from the others; where nothing tells, an error.
    feed
        Constants for the other inputs, by name: numbers, arrays, or the path of a .npy file. A number fills an
        input; a single row is repeated where the input has one for each image.
    scores
        What the output is: "logits" (softmax is applied), "probabilities", "sigmoid" (several labels at
        once), "binary" (one output, which becomes two columns), "labels" (one whole number, the label). "auto"
        reads it from the graph and from random images; an activation that the model itself ends in is never
        applied twice.
    threshold
        For "binary" and "sigmoid": from which score on a label counts as given, between 0 and 1. 0.5 by default.
    threads
        Threads on the CPU: so many runs at once, each on a thread of its own, up to 8. By default the cores
        that this process may use.
    reproducible
        Whether the same images shall get the same scores to the last bit, whatever else is asked: runs of
        always the same number of images, filled up (4 on the CPU unless ``batch_size`` says otherwise), each
        on one thread, deterministic operations, and on CUDA no TF32. It costs time where batches are not
        full. Another processor, device or version of ONNX Runtime may still give other last digits.
    many
        Whether it will be asked about many images at once, so that batches are always full (``explain_many``).
        Each core then has a run of its own; otherwise up to two cores share one, which is done sooner where
        there are few questions.

    Attributes
    ----------
    size : tuple[int, int]
        (height, width) of the images it takes.
    layout : "NCHW" or "NHWC"
    dtype : numpy.dtype
        Of the input tensor.
    channels : int
        3 or 1.
    batch_size : int
        Images a run.
    batch_size_reason : str
        "given", "fixed by the model", "measured", "remembered" (from an earlier measurement) or "default".
    runs_at_once : int
        Runs that are made at once, on the CPU; 1 elsewhere.
    reproducible : bool
        As given.
    fixed_batch : int or None
        The same where the model takes no other number.
    n_classes : int or None
        Columns of the scores; of a model that gives labels the number of its names, None without.
    names : tuple[str, ...] or None
        A name for each class.
    names_reason : str or None
        Where they come from.
    inputs, outputs : tuple[str, ...]
        The model's own, in words: name, type and shape.
    scores : str
        The kind of output: "logits", "probabilities", "sigmoid", "binary" or "labels".
    scores_reason : str
        How that was told.
    multi_label : bool
        True if the scores are independent of each other ("sigmoid").
    threshold : float or None
        As given.
    preprocess : Preprocess
        With the size filled in.
    preprocess_reason : str
        Where it comes from.
    is_guessed, is_range_told : bool
        Whether nothing tells it, so that it is a guess; whether the graph or the input's type tells the range.
    feed : dict
        The constants that other inputs get, as plain values; long ones by their hash.
    provider : str
        The execution provider that comes first, "CPUExecutionProvider" for one.
    device : str
        "cpu", "cuda:0", or the provider's name in lower case.
    device_note : str or None
        A sentence, if "auto" had to fall back.
    notes : tuple[str, ...]
        Sentences about all that a user may want to know and did not ask for.
    cautions : tuple[str, ...]
        Those of them that every result of this model has to come with.
    threads : int
        Threads on the CPU.
    sha256 : str
        Of the model file.
    path : pathlib.Path or None
        Of the model file; None for a model given as bytes.

    Raises
    ------
    ModelError
        If the model cannot be read, is not ONNX, or is no image classifier; the text lists what was found.
    OptionError
        If an option is out of its range or does not go with the model.
    RuntimeMissingError
        If ONNX Runtime is not installed, or twice.
    DeviceError
        If the device asked for cannot run the model.

    Examples
    --------
    >>> from dccausal import OnnxClassifier, load_photo
    >>> classifier = OnnxClassifier("model.onnx", preprocess="imagenet")  # doctest: +SKIP
    >>> x, placement = classifier.prepare(load_photo("photo.jpg"))  # doctest: +SKIP
    >>> classifier(x[None]).shape  # doctest: +SKIP
    (1, 1000)

    """

    runner: Runner

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes,
        *,
        device: str = "auto",
        providers: Sequence[Provider] | None = None,
        batch_size: int | Literal["auto"] = "auto",
        preprocess: Preprocess | str | os.PathLike[str] | Mapping[str, Any] | None = None,
        geometry: Geometry | None = None,
        size: tuple[int, int] | None = None,
        crop_ratio: float | None = None,
        stretch: bool | None = None,
        labels: Labels | None = None,
        input: str | None = None,  # noqa: A002
        output: str | None = None,
        feed: Feed | None = None,
        scores: Scores = "auto",
        threshold: float | None = None,
        threads: int | None = None,
        reproducible: bool = False,
        many: bool = False,
    ) -> None:
        """Load the model; see the class."""
        arguments = {name: value for name, value in locals().items() if name not in ("self", "model")}
        if scores not in SCORES:
            raise OptionError(f"scores is {shown(scores)}; one of {', '.join(SCORES)} is needed")
        self.threads = count_cores() if threads is None else whole_number("threads", threads, 1)
        given = Given.of(arguments)
        self.reproducible = bool(reproducible)
        loaded = Loaded.of(
            model,
            given.names,
            device=device,
            providers=providers,
            threads=self.threads,
            reproducible=self.reproducible,
            many=bool(many),
        )
        file, opened, known = loaded.file, loaded.opened, loaded.known
        output = file.unwrapped.renamed.get(output or "", output)
        request = Request(
            input, output, scores, given.preprocess, known.n, loaded.sidecar, given.changes, given.feed
        )
        reading = read_model(opened.session, file, request)
        known = replace(known, in_graph=file.unwrapped.names_of(reading.output_name, reading.n_classes))
        batch = settle_batch(opened, file, reading, given.rows)
        names_note = self.take_over(reading, known, threshold, opened.session)
        self.cautions = (*file.unwrapped.notes, *reading.notes)
        self.notes = tuple(note for note in (opened.note, *self.cautions, batch.note, names_note) if note)
        self.fixed_batch = batch.fixed
        self.path, self.sha256, self._external_sha256 = file.path, file.sha256(), file.external_sha256()
        self.device, self.device_note = opened.device.name, opened.note
        self.provider: str = batch.opened.session.get_providers()[0]
        freed = None if batch.opened is opened else (reading.image.name, reading.fixed_batch or 0)
        self.runner = Runner(batch, reading, Source.of(file, freed))
        self._runtime_version = loaded.runtime_version
        self.runs_at_once = self.runner.runs
        found_by = None
        if batch.is_open and self.device == "cpu" and not self.reproducible:
            found_by = calibrate(self.runner, self.sha256, self._runtime_version)
        self.batch_size = self.runner.rows
        self.batch_size_reason = found_by or (
            "default" if batch.is_open else "given" if batch.rows == given.rows else "fixed by the model"
        )
        self._arguments = arguments | {
            "batch_size": self.batch_size if batch.is_open else batch_size,
            "preprocess": given.preprocess,
            "labels": given.names,
            "feed": given.feed,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what the classifier was made of: it is opened again where it is unpickled, with the same settings."""
        return self.recipe(), ()

    def recipe(self, **changes: Any) -> Callable[[], Any]:
        """Return what opens the model again, in any process, with the same settings but for ``changes``."""
        arguments = self._arguments | changes
        return partial(reopened, type(self), self.runner.source, arguments, self.batch_size_reason)

    @property
    def composer(self) -> Composer | None:
        """What makes masked images on the device of the model; None where the host's memory is the place."""
        self.runner.renew()
        return self._composer

    @cached_property
    def _composer(self) -> Composer | None:
        return find_composer(self.runner)

    def provenance(self) -> dict[str, Any]:
        """Return all that decided the scores, as plain values ready for JSON."""
        return {
            **runtime_facts(self, self._runtime_version),
            "model_external_sha256": self._external_sha256,
            **super().provenance(),
        }

    def __repr__(self) -> str:
        """Return the model's name, its input and where it runs."""
        name = "bytes" if self.path is None else self.path.name
        height, width = self.size
        return (
            f"<OnnxClassifier {name}: {self.layout} {self.dtype} {height} x {width}, "
            f"{self.n_classes or 'unknown'} classes ({self.scores}), {self.device}, batch {self.batch_size}>"
        )
