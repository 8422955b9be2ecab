"""The gradients of a model that was opened as a classifier."""

from __future__ import annotations

from typing import Any

from dccausal.gradients.whitebox import WhiteBox
from dccausal.onnx.graph.free_batch import free_batch
from dccausal.onnx.model_file import ModelFile
from dccausal.onnx.reading.trial import Reading
from dccausal.onnx.running.device import open_session
from dccausal.onnx.running.session import Batch


def open_white_box(file: ModelFile, reading: Reading, batch: Batch) -> WhiteBox:
    """
    Return what computes the gradients of a classifier's model, on the device that the classifier runs on.

    Nothing is built before it is asked for. A model whose fixed batch was freed is freed here as well.
    """
    model: Any = bytes(file.data) if file.path is None else file.path
    if reading.fixed_batch is not None and batch.fixed is None and file.graph is not None:
        model = free_batch(file.data, file.graph, reading.image.name, reading.fixed_batch)
    opened = batch.opened

    def open_on_device(built: bytes) -> Any:
        return open_session(opened.ort, built, opened.device, opened.threads)

    return WhiteBox(
        model,
        image=reading.image.name,
        output=reading.output_name,
        size=reading.size,
        rows=batch.rows,
        open_session=open_on_device,
    )
