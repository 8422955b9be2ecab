"""ONNX models that do not classify: detectors, segmenters, embeddings, or any outputs at all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number, whole_number
from dccausal._shared.cores import count_cores
from dccausal.errors import ModelError, OptionError
from dccausal.inputs.framing import Geometry
from dccausal.inputs.placement import Placement
from dccausal.inputs.preprocess import Preprocess
from dccausal.inputs.sizing import Sizing
from dccausal.onnx.opening import Given, Loaded, runtime_facts
from dccausal.onnx.reading.feed import Feed
from dccausal.onnx.reading.image_input import describe
from dccausal.onnx.reading.names import Labels
from dccausal.onnx.reading.task import TaskReading, TaskRequest, read_task
from dccausal.onnx.running.device import Provider
from dccausal.onnx.running.task_batch import settle_task_batch
from dccausal.onnx.running.task_runner import TaskRunner
from dccausal.targets.answers import joined, rows_of
from dccausal.targets.decoders.facts import Decoder
from dccausal.targets.frame import Frame
from dccausal.targets.target import Needs

if TYPE_CHECKING:
    from PIL import Image


class OnnxModel:
    """
    An ONNX detector, segmenter or embedding model, and all that is known about it.

    What the options leave open is read from the model, its metadata and the files beside it.

    Parameters
    ----------
    model
        The path of an ONNX file, or its bytes.
    gives
        "boxes", "maps" or "embeddings": what its outputs are to be read as; "anything" leaves them as they are. By
        default what they are recognised as.
    threshold
        The least score of a detection, from 0 to below 1; by default that of the model's family.
    overlap
        The IoU above which two boxes of one label are doubles; by default that of the family.
    device, providers, batch_size, preprocess, geometry, size, crop_ratio, stretch, labels, input, feed, threads, \
reproducible, many
        As for ``OnnxClassifier``.

    Attributes
    ----------
    decoder
        What reads the outputs: its ``family`` says which exports; None for "anything".
    gives : str
        As above.
    sizing : Sizing
        How large the model's image is.
    size : tuple[int, int] or None
        (height, width) of it; None where that depends on the photograph.
    names, names_reason, n_classes, inputs, outputs, layout, dtype, channels, preprocess, preprocess_reason, device, \
provider, batch_size, fixed_batch, runs_at_once, threads, feed, notes, cautions, path, sha256
        As of an ``OnnxClassifier``.

    Raises
    ------
    ModelError
        If the model cannot be read, or its outputs are nothing that is known.
    OptionError, RuntimeMissingError, DeviceError
        As for ``OnnxClassifier``.

    Examples
    --------
    >>> from dccausal import OnnxModel, load_photo
    >>> model = OnnxModel("yolo11n.onnx")  # doctest: +SKIP
    >>> model.detect(load_photo("street.jpg"))  # doctest: +SKIP
    array([[ 34.2,  20.1, 188. , 201.5,   0.93,  16.  ]])

    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes,
        *,
        gives: Needs | None = None,
        threshold: float | None = None,
        overlap: float | None = None,
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
        feed: Feed | None = None,
        threads: int | None = None,
        reproducible: bool = False,
        many: bool = False,
    ) -> None:
        """Load the model; see the class."""
        for name, share in (("threshold", threshold), ("overlap", overlap)):
            if share is not None and not 0 <= finite_number(name, share) < 1:
                raise OptionError(f"{name} is {share}; a number from 0 to below 1 is needed")
        self.threads = count_cores() if threads is None else whole_number("threads", threads, 1)
        given = Given.of(locals())
        loaded = Loaded.of(
            model,
            given.names,
            device=device,
            providers=providers,
            threads=self.threads,
            reproducible=bool(reproducible),
            many=bool(many),
        )
        file, opened, known = loaded.file, loaded.opened, loaded.known
        request = TaskRequest(
            gives,
            threshold,
            overlap,
            given.preprocess,
            given.changes,
            known.fitting(None).names,
            loaded.sidecar,
            input,
            given.feed,
        )
        reading = read_task(opened.session, file, request)
        batch = settle_task_batch(opened, file, reading, given.rows)
        self._reading: TaskReading = reading
        self.decoder: Decoder | None = reading.decoder
        self.gives: Needs = reading.gives
        known = known.fitting(reading.n_labels)
        self.names = known.names
        self.names_reason = None if self.names is None else known.source
        self.n_classes = reading.n_labels or (len(self.names) if self.names else None)
        self.inputs = tuple(describe(node) for node in opened.session.get_inputs())
        self.outputs = tuple(describe(node) for node in opened.session.get_outputs())
        self.layout, self.dtype, self.channels = reading.image.layout, reading.image.dtype, reading.channels
        self.sizing: Sizing = reading.sizing
        self.size = reading.sizing.size if reading.sizing.is_fixed else None
        self.preprocess, self.preprocess_reason = reading.preprocess, reading.preprocess_reason
        self.feed, self.reproducible = reading.inputs.described(), bool(reproducible)
        self.device, self.device_note = opened.device.name, opened.note
        self.provider: str = batch.opened.session.get_providers()[0]
        self.runner = TaskRunner(
            batch.opened, reading.inputs, reading.names, batch.rows, is_fixed=batch.fixed is not None
        )
        self.batch_size, self.fixed_batch = batch.rows, batch.fixed
        self.runs_at_once = self.runner.runs
        self.cautions = tuple(reading.notes)
        self.notes = tuple(note for note in (opened.note, *reading.notes, batch.note) if note)
        self.path, self.sha256 = file.path, file.sha256()
        self._runtime_version = loaded.runtime_version

    @property
    def family(self) -> str:
        """Which exports are read so, in words."""
        return "outputs as they are" if self.decoder is None else self.decoder.family

    def prepare(self, photo: Image.Image) -> tuple[NDArray[np.uint8], Placement]:
        """Return what the model sees of an RGB photograph, uint8 (height, width, 3), and where it lies."""
        return self.preprocess.prepare(photo, self.sizing.of(photo.size))

    def encode(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the model's input tensor for images (n, height, width, 3) uint8."""
        return self.preprocess.encode(images, self.layout, self.dtype, self.channels)

    def answer(self, tensor: NDArray[Any]) -> Any:
        """
        Return the answer on an encoded batch: ``Candidates``, maps, embeddings, or the outputs by name.

        Raises
        ------
        ClassifierError
            If the model fails.

        """
        height, width = tensor.shape[2:] if self.layout == "NCHW" else tensor.shape[1:3]
        n_run = self.fixed_batch
        parts = []
        for outputs, n in self.runner(tensor):
            if self.decoder is None:
                found: Any = outputs
            else:
                found = self.decoder.decode(outputs, n_run or n, (height, width))
            parts.append(found if n == (n_run or n) else rows_of(found, slice(0, n)))
        return joined(parts)

    def __call__(self, images: NDArray[np.uint8], /) -> Any:
        """Return the answer on images (n, height, width, 3) uint8 RGB of the model's size."""
        return self.answer(self.encode(images))

    def look(self, photo: Image.Image) -> tuple[Any, Frame]:
        """Return the answer on a photograph, and where its pixels lie in it."""
        x, placement = self.prepare(photo)
        return self(x[None]), Frame(placement.photo_size, placement.box, (x.shape[0], x.shape[1]))

    def detect(self, photo: Image.Image) -> NDArray[np.float64]:
        """
        Return the boxes that the model sees in a photograph.

        Returns
        -------
        NDArray
            float64 (k, 6), best first: x0, y0, x1, y1 in the photograph's pixels, score, label.

        Raises
        ------
        ModelError
            If it is no detector.

        """
        if self.gives != "boxes":
            raise ModelError(f"the model gives {self.gives}, read as {self.family}; a detector is needed")
        answer, frame = self.look(photo)
        found: NDArray[np.float64] = answer.in_photo(frame)
        return found

    def provenance(self) -> dict[str, Any]:
        """Return all that decided the answers, as plain values ready for JSON."""
        return {
            **runtime_facts(self, self._runtime_version),
            "batch_size": self.batch_size,
            "runs_at_once": self.runs_at_once,
            "fixed_batch": self.fixed_batch,
            "precision": str(self.dtype),
            "reproducible": self.reproducible,
            "input": self._reading.image.name,
            "feed": self.feed,
            "outputs": list(self._reading.names),
            "gives": self.gives,
            "decoder": self.family,
            "layout": self.layout,
            "size": None if self.size is None else list(self.size),
            "sizing": self.sizing.to_dict(),
            "channels": self.channels,
            "n_classes": self.n_classes,
            "preprocess": self.preprocess.to_dict(),
            "preprocess_reason": self.preprocess_reason,
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        """Return the model's name, what it gives and where it runs."""
        name = "bytes" if self.path is None else self.path.name
        return f"<OnnxModel {name}: {self.gives} ({self.family}), {self.sizing.words()}, {self.device}>"
