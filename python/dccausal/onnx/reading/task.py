"""What a model that does not classify takes and gives, found out by running one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ModelError, OptionError
from dccausal.inputs.preprocess import Preprocess
from dccausal.inputs.sizing import Rule, Sizing
from dccausal.onnx.failures import brief
from dccausal.onnx.model_file import ModelFile
from dccausal.onnx.reading.feed import Feed, Inputs, settle_inputs
from dccausal.onnx.reading.image_input import ImageInput, check_names, describe, image_inputs, metadata_of
from dccausal.onnx.reading.sidecar import Sidecar
from dccausal.onnx.reading.task_preprocessing import guess_task_preprocess
from dccausal.onnx.reading.trial import pad, sample_images
from dccausal.targets.decoders.choose import PROMPTED, find_decoder, refused
from dccausal.targets.decoders.facts import Decoder, Facts
from dccausal.targets.target import Needs

# Inputs of models that are not explained, and why.
_PATCHES = "it takes photographs cut into patches (SigLIP2 NaFlex); an export that takes images is needed"
_REFUSED = {
    **dict.fromkeys(("point_coords", "input_points", "image_embeddings"), PROMPTED),
    "spatial_shapes": _PATCHES,
    "pixel_attention_mask": _PATCHES,
}


class UnreadError(ModelError):
    """A model's outputs are recognised and not explained; the text says why."""


@dataclass(frozen=True)
class TaskRequest:
    """
    What the user asked for, None leaving it to the model; and what lies beside the model.

    Attributes
    ----------
    gives, threshold, overlap
        As in ``OnnxModel``.
    preprocess, changes
        Settings, and fields of them that are set wherever the others come from.
    names
        Class names that are known.
    sidecar
        The files beside the model.
    input_name, feed
        The input that takes the image, and constants for others.

    """

    gives: Needs | None
    threshold: float | None
    overlap: float | None
    preprocess: Preprocess | None
    changes: Mapping[str, Any]
    names: Sequence[str] | None
    sidecar: Sidecar
    input_name: str | None
    feed: Feed


@dataclass(frozen=True)
class TaskReading:
    """
    What a session's input and outputs turned out to mean.

    Attributes
    ----------
    inputs, channels
        What a run is given, and 3 or 1.
    preprocess, sizing, preprocess_reason
        How photographs are brought there, and why so.
    decoder
        What reads the outputs; None leaves them as they are.
    gives
        What that is.
    names
        The outputs that are read.
    n_labels
        Number of labels; None where that is not known.
    fixed_batch
        How many images each run takes, if only that many.
    is_alone
        Whether the model has no axis of a batch.
    notes
        Sentences about what was decided where the model left a choice.

    """

    inputs: Inputs
    channels: int
    preprocess: Preprocess
    sizing: Sizing
    preprocess_reason: str
    decoder: Decoder | None
    gives: Needs
    names: tuple[str, ...]
    n_labels: int | None
    fixed_batch: int | None
    is_alone: bool
    notes: tuple[str, ...] = ()

    @property
    def image(self) -> ImageInput:
        """The input that takes the images."""
        return self.inputs.image

    def sample(self, n: int) -> NDArray[Any]:
        """Return the tensor of some images of random colours."""
        size = self.sizing.of((320, 256))
        return self.preprocess.encode(
            sample_images(n, size), self.image.layout, self.image.dtype, self.channels
        )


def read_task(session: Any, file: ModelFile, request: TaskRequest) -> TaskReading:
    """
    Find out what a session takes and gives.

    Raises
    ------
    ModelError
        If it takes no images, or its outputs are nothing that is known, or not explained.
    OptionError
        If an option does not go with the model.

    """
    check_names(session, file.what)
    telling = [node.name for node in session.get_inputs() if node.name in _REFUSED]
    if telling and request.input_name is None:
        raise UnreadError(f"{file.what} has the input {telling[0]!r}, so {_REFUSED[telling[0]]}")
    given = request.preprocess
    layout = given.layout if given else None
    ways = image_inputs(session, file.what, request.input_name, layout, list(request.feed))
    failure: ModelError | None = None
    for image in ways:
        try:
            return _try(session, file, request, image)
        except ModelError as error:
            failure = failure or error
    raise failure or ModelError(f"{file.what} has no image-like input")


def _try(session: Any, file: ModelFile, request: TaskRequest, image: ImageInput) -> TaskReading:
    metadata = metadata_of(session)
    graph, sidecar = file.graph, request.sidecar
    task = metadata.get("task", "")
    family = "YOLO" if task in ("detect", "segment", "pose") else ""
    preprocess, sizing, _ = guess_task_preprocess(metadata, image, sidecar, graph, family)
    preprocess, sizing = _as_asked(preprocess, sizing, request, image)
    own = sizing.of((320, 256))
    feed = {**_usual(session, own), **request.feed}
    inputs = settle_inputs(session, file.what, image, feed)
    channels = image.channels or 3
    n = image.batch or 1
    tensor = pad(preprocess.encode(sample_images(1, own), image.layout, image.dtype, channels), n)
    outputs = _run(session, file, inputs, tensor)
    facts = Facts(
        {name: value[:1] if value.ndim and len(value) == n > 1 else value for name, value in outputs.items()},
        own,
        metadata,
        sidecar.documents.get("config.json", {}),
        None if request.names is None else len(request.names),
        {} if graph is None else {name: graph.final_op(name) or "" for name in outputs},
        request.threshold,
        request.overlap,
    )
    decoder = None if request.gives == "anything" else find_decoder(facts, request.gives)
    if decoder is None and request.gives != "anything":
        reason = refused(facts)
        if reason is None:
            raise ModelError(_unknown(file, session, request.gives))
        kind = ModelError if facts.task == "classify" else UnreadError
        raise kind(f"{file.what} is not read: {reason}")
    if request.preprocess is None:
        # What reads the outputs tells how photographs are prepared, where nothing else does.
        preprocess, sizing, reason = guess_task_preprocess(
            metadata, image, sidecar, graph, "" if decoder is None else decoder.family
        )
    else:
        preprocess, reason = request.preprocess, "given"
    preprocess, sizing = _as_asked(preprocess, sizing, request, image)
    if request.changes:
        reason = f"{reason}; {', '.join(request.changes)} given"
    preprocess.check_dtype(image.dtype)
    n_labels = None
    if decoder is not None and decoder.gives == "boxes":
        scores = decoder.decode(facts.outputs, 1, own).scores
        n_labels = scores.shape[2] if scores.ndim == 3 else None  # noqa: PLR2004
    elif decoder is not None and decoder.gives == "maps":
        n_labels = decoder.decode(facts.outputs, 1, own).n_labels
    return TaskReading(
        inputs=inputs,
        channels=channels,
        preprocess=preprocess,
        sizing=sizing,
        preprocess_reason=reason,
        decoder=decoder,
        gives="anything" if decoder is None else decoder.gives,  # type: ignore[arg-type]
        names=tuple(outputs) if decoder is None else decoder.names,
        n_labels=n_labels,
        fixed_batch=1 if image.dropped == 0 else image.batch,
        is_alone=image.dropped == 0,
    )


def _as_asked(
    preprocess: Preprocess, sizing: Sizing, request: TaskRequest, image: ImageInput
) -> tuple[Preprocess, Sizing]:
    """Return settings and size with what the user asked for."""
    if request.preprocess is not None:
        preprocess = request.preprocess
    if request.changes:
        preprocess = preprocess.changed(request.changes)
    size = preprocess.size if request.preprocess is not None or "size" in request.changes else None
    if size is None:
        return preprocess, sizing
    if (image.height not in (None, size[0])) or (image.width not in (None, size[1])):
        raise OptionError(
            f"size is {size}; the model takes (height, width) ({image.height or 'any'}, {image.width or 'any'})"
        )
    rule: Rule = "letterbox" if sizing.rule == "letterbox" else "fixed"
    return preprocess, replace(sizing, rule=rule, size=size)


def _usual(session: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Return what detectors of some families want beside the image: its size, and that all of it counts."""
    known = {
        "orig_target_sizes": [[size[1], size[0]]],
        "im_shape": [list(size)],
        "scale_factor": [[1, 1]],
        "pixel_mask": np.ones((1, *size)),
    }
    return {node.name: known[node.name] for node in session.get_inputs() if node.name in known}


def _run(session: Any, file: ModelFile, inputs: Inputs, tensor: NDArray[Any]) -> dict[str, NDArray[Any]]:
    try:
        values = session.run(None, inputs.of(tensor))
    except Exception as error:
        raise ModelError(
            f"{file.what} cannot take a tensor {tensor.shape} {tensor.dtype}: {brief(error)}; "
            "another size (--size) may be needed"
        ) from error
    named = zip((node.name for node in session.get_outputs()), values, strict=True)
    return {name: value for name, value in named if isinstance(value, np.ndarray)}


def _unknown(file: ModelFile, session: Any, gives: str | None) -> str:
    listed = "; ".join(describe(node) for node in session.get_outputs())
    wanted = {
        "boxes": "boxes of a detector",
        "maps": "maps of a segmenter (n, labels, height, width)",
        "embeddings": "embedding (n, length)",
    }.get(gives or "", "boxes, maps or an embedding")
    return (
        f"{file.what} has the outputs {listed}, which are read as no {wanted}; a known export is needed, or a function "
        "of the outputs (targets.Custom)"
    )
