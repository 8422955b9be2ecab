"""What a model's input and output mean, found out by running a few random images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ClassifierError, ModelError
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.failures import brief
from dccausal.onnx.model_file import ModelFile
from dccausal.onnx.reading.feed import Feed, Inputs, settle_inputs
from dccausal.onnx.reading.image_input import ImageInput, check_names, describe, image_inputs, metadata_of
from dccausal.onnx.reading.outputs import Rows, as_rows, choose_output
from dccausal.onnx.reading.preprocessing import (
    GUESSED,
    IN_GRAPH,
    PIXELS_TOLD,
    TWICE,
    guess_preprocess,
)
from dccausal.onnx.reading.scores import ScoreKind, tell_scores
from dccausal.onnx.reading.sidecar import Sidecar
from dccausal.onnx.reading.suspicions import depends_on_neighbours, is_of_best_few, notes_on, varies

_N_TRIED = 4
_MAX_PIXELS_TRIED = 1 << 24
_MAX_VALUES = 1 << 25


@dataclass(frozen=True)
class Request:
    """
    What the user asked for, None leaving it to the model; and what the files beside the model tell.

    Attributes
    ----------
    input_name, output_name, scores, preprocess
        As in ``OnnxClassifier``.
    n_names
        Number of class names that are known.
    sidecar
        The files beside the model.
    changes
        Fields of ``Preprocess`` that the user sets, wherever the others come from.
    feed
        Constants for other inputs, by name.

    """

    input_name: str | None
    output_name: str | None
    scores: str
    preprocess: Preprocess | None
    n_names: int | None
    sidecar: Sidecar
    changes: Mapping[str, Any] = field(default_factory=dict)
    feed: Feed = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """
    What a session's input and output turned out to mean.

    Attributes
    ----------
    inputs
        What a run is given: the image, its layout settled, and constants.
    channels, size
        3 or 1, and (height, width).
    preprocess, preprocess_reason
        How photographs are brought there, and why so.
    output_name, n_columns, kind
        The output with the scores.
    fixed_batch
        How many images each run takes, if only that many.
    is_alone
        Whether each image has to be run alone, since it has no batch or its neighbours change its scores.
    notes
        Sentences about what was decided where the model left a choice, and what is odd about its answers.

    """

    inputs: Inputs
    channels: int
    size: tuple[int, int]
    preprocess: Preprocess
    preprocess_reason: str
    output_name: str
    n_columns: int
    kind: ScoreKind
    fixed_batch: int | None
    notes: tuple[str, ...] = ()
    is_alone: bool = False

    @property
    def image(self) -> ImageInput:
        """The input that takes the images."""
        return self.inputs.image

    @property
    def is_guessed(self) -> bool:
        """Whether nothing told how photographs are to be prepared."""
        return self.preprocess_reason.startswith(GUESSED)

    @property
    def is_range_told(self) -> bool:
        """Whether the graph, a file or the input's type tells which numbers the model takes for pixels."""
        return self.image.dtype.kind != "f" or any(
            told in self.preprocess_reason for told in (*IN_GRAPH.values(), PIXELS_TOLD)
        )

    @property
    def n_classes(self) -> int | None:
        """Columns of the scores; None where labels are all there is."""
        return None if self.kind.name == "labels" else 2 if self.kind.name == "binary" else self.n_columns

    def encode(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the input tensor of images (n, height, width, 3)."""
        return self.preprocess.encode(images, self.image.layout, self.image.dtype, self.channels)


def read_model(session: Any, file: ModelFile, request: Request) -> Reading:
    """
    Find out how a session wants its images and what it answers, by running a few random ones.

    Raises
    ------
    ModelError
        If the model does not take images, or does not give scores.
    OptionError
        If an option does not go with the model.
    ClassifierError
        If its scores are not finite.

    """
    check_names(session, file.what)
    given = request.preprocess
    layout = given.layout if given else None
    ways = image_inputs(session, file.what, request.input_name, layout, list(request.feed))
    metadata = metadata_of(session)
    failure: ModelError | None = None
    for image in ways:
        preprocess, reason = given, "given"
        if preprocess is None:
            preprocess, reason = guess_preprocess(metadata, image, request.sidecar, file.graph)
        if request.changes:
            preprocess = preprocess.changed(request.changes)
            reason = f"{reason}; {', '.join(request.changes)} given"
        preprocess.check_dtype(image.dtype)
        inputs = settle_inputs(session, file.what, image, request.feed)
        for way in (inputs, inputs.repeating()) if inputs.constants else (inputs,):
            try:
                return _try(session, file, request, _Way(way, preprocess, reason))
            except ModelError as error:
                failure = failure or error
    raise failure or ModelError(f"{file.what} has no image-like input")


@dataclass(frozen=True)
class _Way:
    """One way to feed the model, to be tried."""

    inputs: Inputs
    preprocess: Preprocess
    reason: str


def _try(session: Any, file: ModelFile, request: Request, way: _Way) -> Reading:
    image, preprocess = way.inputs.image, way.preprocess
    size = image.size(preprocess)
    channels = image.channels or 3
    tensors = preprocess.encode(sample_images(_n_tried(size), size), image.layout, image.dtype, channels)
    notes = [f"the preprocessing is told by {way.reason}"] if TWICE in way.reason else []
    is_assumed = image.is_open and preprocess.size is None
    if is_assumed:
        notes.append(f"the model leaves the size of its images open; {size[0]} x {size[1]} was taken")
    trial = _Trial(session, file, request, way.inputs)
    name, rows, fixed = _choose_batch(trial, tensors, image.batch, notes, is_assumed=is_assumed)

    def run(tensor: NDArray[Any]) -> NDArray[Any]:
        return run_in_chunks(session, way.inputs, name, tensor, fixed or len(tensor))

    values = run(tensors) if fixed is not None else rows.values
    is_alone = image.dropped == 0
    is_varying = varies(run, tensors)
    if fixed is None and not is_varying and depends_on_neighbours(run, tensors, values, file.graph):
        fixed, is_alone = 1, True
        values = run(tensors)
        notes.append(
            "an image's scores depend on the others in its batch (a softmax over the wrong axis, or statistics of the "
            "batch in training mode), so each image is run alone"
        )
    kind = tell_scores(request.scores, name, file.graph, replace(rows, values=values))
    if request.scores == "auto" and kind.name == "logits" and request.sidecar.is_multi_label:
        kind = replace(
            kind,
            name="sigmoid",
            activation="sigmoid",
            reason="config.json beside the model says that its labels are several",
        )
    is_best_few = is_of_best_few(file.graph, name)
    notes += notes_on(kind, values, is_varying=is_varying, is_best_few=is_best_few)
    if not np.isfinite(kind.apply(values)).all():
        raise ClassifierError(
            f"{file.what} gives NaN or infinite scores for random images; finite scores are needed"
        )
    return Reading(
        inputs=way.inputs,
        channels=channels,
        size=size,
        preprocess=preprocess.with_size(size),
        preprocess_reason=way.reason,
        output_name=name,
        n_columns=values.shape[1],
        kind=kind,
        fixed_batch=fixed,
        notes=tuple(notes),
        is_alone=is_alone,
    )


def _n_tried(size: tuple[int, int]) -> int:
    """Return how many random images are run: fewer where they are very large."""
    return max(1, min(_N_TRIED, _MAX_PIXELS_TRIED // (size[0] * size[1])))


@dataclass(frozen=True)
class _Trial:
    """A session, and what is asked of it."""

    session: Any
    file: ModelFile
    request: Request
    inputs: Inputs


def _choose_batch(
    trial: _Trial, tensors: NDArray[Any], fixed: int | None, notes: list[str], *, is_assumed: bool
) -> tuple[str, Rows, int | None]:
    """Return the output with the scores, what it gave, and how many images a run takes if only so many."""
    try:
        name, rows, note = _choose(trial, tensors, fixed or len(tensors), is_assumed=is_assumed)
    except ModelError as error:
        if fixed is not None:
            raise
        # Exported with an open batch dimension, but perhaps only one image really goes through.
        try:
            name, rows, note = _choose(trial, tensors, 1, is_assumed=is_assumed)
        except ModelError:
            raise error from error.__cause__
        fixed = 1
        notes.append("the model declares any batch size but takes only one image a run")
    notes += filter(None, [note])
    return name, rows, fixed


def sample_images(n: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """
    Return varied images, uint8 (n, height, width, 3), the same each time.

    They are blocks of random colours, from coarse to fine.
    """
    height, width = size
    rng = np.random.default_rng(0)
    images = np.empty((n, height, width, 3), dtype=np.uint8)
    for i in range(n):
        blocks = 2 << i % 5
        colours = rng.integers(0, 256, (blocks, blocks, 3), dtype=np.uint8)
        images[i] = colours[np.arange(height) * blocks // height][:, np.arange(width) * blocks // width]
    return images


def _choose(
    trial: _Trial, tensors: NDArray[Any], n: int, *, is_assumed: bool
) -> tuple[str, Rows, str | None]:
    """Run all outputs once for ``n`` images, filled up if there are fewer; see ``choose_output``."""
    tensor, session, request = pad(tensors[:n], n), trial.session, trial.request
    _check_declared(session, n)
    try:
        values = session.run(None, trial.inputs.of(tensor))
    except Exception as error:
        hint = ""
        if is_assumed:
            sides = " x ".join(map(str, trial.inputs.image.size(Preprocess())))
            hint = (
                f"; {sides} was assumed, as the model leaves the size of its images open, and it may hold "
                "something of another size (positions of patches): the size that it was trained at is needed, as "
                "size=(height, width) or --size"
            )
        raise ModelError(
            f"the model cannot classify a tensor {tensor.shape} {tensor.dtype}: {brief(error)}; "
            f"a model from one image input to scores is needed{hint}"
        ) from error
    outputs = dict(zip([o.name for o in session.get_outputs()], values, strict=True))
    task = metadata_of(session).get("task", "")
    return choose_output(outputs, n, request.output_name, request.n_names, trial.file.graph, task)


def _check_declared(session: Any, n: int) -> None:
    """Refuse a model that declares to give more numbers than any classifier has classes, before they are made."""
    for node in session.get_outputs():
        sides = [side for side in node.shape or () if isinstance(side, int) and side > 0]
        if math.prod(sides) * n > _MAX_VALUES:
            raise ModelError(
                f"the model's output {describe(node)} is larger than {_MAX_VALUES} numbers; less is needed"
            )


def pad(tensor: NDArray[Any], n: int) -> NDArray[Any]:
    """Return the tensor with zeros added up to ``n`` rows."""
    if len(tensor) == n:
        return tensor
    padded = np.zeros((n, *tensor.shape[1:]), dtype=tensor.dtype)
    padded[: len(tensor)] = tensor
    return padded


def run_in_chunks(session: Any, inputs: Inputs, output: str, tensors: NDArray[Any], n: int) -> NDArray[Any]:
    """Return the output (rows, columns) for all tensors, ``n`` of them a run."""
    chunks = []
    for start in range(0, len(tensors), n):
        chunk = tensors[start : start + n]
        rows = as_rows(session.run([output], inputs.of(pad(chunk, n)))[0], n)
        if rows is None:
            raise ModelError(
                f"output {output!r} is not (images, classes) in every run; a stable shape is needed"
            )
        chunks.append(rows[: len(chunk)])
    return np.concatenate(chunks)
