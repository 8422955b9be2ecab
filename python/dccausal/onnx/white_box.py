"""The gradients of a model that was opened as a classifier."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dccausal.onnx.running.device import open_session
from dccausal.onnx.running.runner import Runner

if TYPE_CHECKING:
    from dccausal.gradients.whitebox import WhiteBox


def open_white_box(runner: Runner) -> WhiteBox:
    """
    Return what computes the gradients of a classifier's model, on the device that the classifier runs on.

    Where masked images are made on the device, images are kept in buffers there too.
    Nothing is built before it is asked for. A model whose fixed batch was freed is freed here as well.
    """
    # Rules for every operation: loaded when they are needed.
    from dccausal.gradients.whitebox import WhiteBox

    reading, opened = runner.reading, runner.opened

    def open_on_device(built: bytes) -> Any:
        return open_session(opened.ort, built, opened.device, opened.threads)

    return WhiteBox(
        _whole(*runner.source.read()),
        image=reading.image.name,
        output=reading.output_name,
        size=reading.size,
        rows=runner.rows,
        open_session=open_on_device,
        device=runner.bound_device,
    )


def _whole(model: str | bytes, folder: Path | None) -> Any:
    """Return a model with the weights that lie in a folder; a path has them beside it."""
    if isinstance(model, str) or folder is None:
        return model
    from dccausal.gradients.source import require_onnx

    onnx = require_onnx()
    proto = onnx.load_model_from_string(model)
    onnx.external_data_helper.load_external_data_for_model(proto, str(folder))
    return proto


class WithGradients:
    """What a classifier can be asked that has a runner, and encodes images for it."""

    runner: Runner

    def encode(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the model's input tensor for images (n, height, width, 3) uint8."""
        raise NotImplementedError

    @cached_property
    def white_box(self) -> WhiteBox:
        """The model's gradients and relevances; building them needs the package onnx."""
        return open_white_box(self.runner)

    def gradients(self, images: NDArray[np.uint8], target: int | NDArray[np.int64]) -> NDArray[np.float32]:
        """
        Return the gradients of logits with respect to the model's input.

        Parameters
        ----------
        images
            uint8 (n, height, width, 3) RGB.
        target
            Index of the label, one for all images or int (n,). Its logit is meant: the softmax or sigmoid that the
            model ends in is left off.

        Returns
        -------
        NDArray
            float32, of the shape that ``encode`` gives: by how much the logit grows with each number of the input.

        Raises
        ------
        ModelError
            If an operation of the model has no derivative here; the text names its node.
        OptionError
            If the images have another shape or dtype, or a target is out of range.
        RuntimeMissingError
            If the package onnx is not installed.
        ClassifierError
            If the runtime fails.

        """
        return self.white_box.gradient(self.encode(images), target).values
