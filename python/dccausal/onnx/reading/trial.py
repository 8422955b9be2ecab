"""What a model's input and output mean, found out by running a few random images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ClassifierError, ModelError
from dccausal.inputs.preprocess import Preprocess
from dccausal.onnx.failures import brief
from dccausal.onnx.model_file import ModelFile
from dccausal.onnx.reading.image_input import ImageInput, image_inputs
from dccausal.onnx.reading.preprocessing import guess_preprocess
from dccausal.onnx.reading.scores import ScoreKind, as_rows, choose_output, tell_scores
from dccausal.onnx.reading.sidecar import Sidecar

_N_TRIED = 4


@dataclass(frozen=True)
class Request:
    """What the user asked for, None leaving it to the model; and what the files beside the model tell."""

    input_name: str | None
    output_name: str | None
    scores: str
    preprocess: Preprocess | None
    n_names: int | None
    sidecar: Sidecar


@dataclass(frozen=True)
class Reading:
    """
    What a session's input and output turned out to mean.

    Attributes
    ----------
    image
        The input, its layout settled.
    channels, size
        3 or 1, and (height, width).
    preprocess, preprocess_reason
        How photographs are brought there, and why so.
    output_name, n_columns, kind
        The output with the scores.
    fixed_batch
        How many images each run takes, if only that many.
    notes
        Sentences about what was decided where the model left a choice.

    """

    image: ImageInput
    channels: int
    size: tuple[int, int]
    preprocess: Preprocess
    preprocess_reason: str
    output_name: str
    n_columns: int
    kind: ScoreKind
    fixed_batch: int | None
    notes: tuple[str, ...] = ()

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
    given = request.preprocess
    ways = image_inputs(session, file.what, request.input_name, given.layout if given else None)
    metadata: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    failure: ModelError | None = None
    for image in ways:
        preprocess, reason = given, "given"
        if preprocess is None:
            preprocess, reason = guess_preprocess(metadata, image, request.sidecar, file.graph)
        preprocess.check_dtype(image.dtype)
        try:
            return _try(session, file, request, _Way(image, preprocess, reason))
        except ModelError as error:
            failure = failure or error
    raise failure or ModelError(f"{file.what} has no image-like input")


@dataclass(frozen=True)
class _Way:
    """One way to feed the model, to be tried."""

    image: ImageInput
    preprocess: Preprocess
    reason: str


def _try(session: Any, file: ModelFile, request: Request, way: _Way) -> Reading:
    image, preprocess = way.image, way.preprocess
    size = image.size(preprocess)
    channels = image.channels or 3
    tensors = preprocess.encode(sample_images(_N_TRIED, size), image.layout, image.dtype, channels)
    fixed, notes = image.batch, []
    if None in (image.height, image.width) and preprocess.size is None:
        notes.append(f"the model leaves the size of its images open; {size[0]} x {size[1]} was taken")
    try:
        name, rows, note = _choose(session, request, image, tensors, fixed or _N_TRIED)
    except ModelError as error:
        if fixed is not None:
            raise
        # Exported with an open batch dimension, but perhaps only one image really goes through.
        try:
            name, rows, note = _choose(session, request, image, tensors, 1)
        except ModelError:
            raise error from error.__cause__
        fixed = 1
        notes.append("the model declares any batch size but takes only one image a run")
    notes += filter(None, [note])
    if fixed is not None:
        rows = run_in_chunks(session, image.name, name, tensors, fixed)
    kind = tell_scores(request.scores, file.graph.final_op(name) if file.graph else None, rows)
    if request.scores == "auto" and kind.name == "logits" and request.sidecar.is_multi_label:
        kind = ScoreKind(
            "sigmoid", "sigmoid", "config.json beside the model says that its labels are several"
        )
    if not np.isfinite(kind.apply(rows)).all():
        raise ClassifierError(
            f"{file.what} gives NaN or infinite scores for random images; finite scores are needed"
        )
    return Reading(
        image=image,
        channels=channels,
        size=size,
        preprocess=preprocess.with_size(size),
        preprocess_reason=way.reason,
        output_name=name,
        n_columns=rows.shape[1],
        kind=kind,
        fixed_batch=fixed,
        notes=tuple(notes),
    )


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
    session: Any, request: Request, image: ImageInput, tensors: NDArray[Any], n: int
) -> tuple[str, NDArray[Any], str | None]:
    """Run all outputs once for ``n`` images, filled up if there are fewer; see ``choose_output``."""
    tensor = pad(tensors[:n], n)
    try:
        values = session.run(None, {image.name: tensor})
    except Exception as error:
        raise ModelError(
            f"the model cannot classify a tensor {tensor.shape} {tensor.dtype}: {brief(error)}; "
            "a model from one image input to scores is needed"
        ) from error
    outputs = dict(zip([o.name for o in session.get_outputs()], values, strict=True))
    return choose_output(outputs, n, request.output_name, request.n_names)


def pad(tensor: NDArray[Any], n: int) -> NDArray[Any]:
    """Return the tensor with zeros added up to ``n`` rows."""
    if len(tensor) == n:
        return tensor
    padded = np.zeros((n, *tensor.shape[1:]), dtype=tensor.dtype)
    padded[: len(tensor)] = tensor
    return padded


def run_in_chunks(session: Any, input_name: str, output: str, tensors: NDArray[Any], n: int) -> NDArray[Any]:
    """Return the output (rows, columns) for all tensors, ``n`` of them a run."""
    chunks = []
    for start in range(0, len(tensors), n):
        chunk = tensors[start : start + n]
        rows = as_rows(session.run([output], {input_name: pad(chunk, n)})[0], n)
        if rows is None:
            raise ModelError(
                f"output {output!r} is not (images, classes) in every run; a stable shape is needed"
            )
        chunks.append(rows[: len(chunk)])
    return np.concatenate(chunks)
