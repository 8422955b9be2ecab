"""The options of the command ``gradient``, apart from it, so that the help loads nothing else."""

from __future__ import annotations

from dccausal.cli.options.common import MODEL, OUTPUT, some
from dccausal.cli.options.option import Argument, CliOption, Declared

_OUT = CliOption(
    "out", str, "Where the model is written. By default MODEL.grad.onnx.", "Output", "FILE", short="-o"
)
_EXPLAINED = CliOption(
    "explained",
    str,
    "What the gradient is of: logits, or probabilities.",
    "Model",
    "KIND",
    default="logits",
)
_SIZE = CliOption(
    "size",
    str,
    "Height and width of the images, where the model leaves them open: 224 or 224x320.",
    "Model",
    "SIZE",
)
_LAYER = CliOption(
    "layer", str, "Name of a tensor whose gradient is taken in place of the image's.", "Model", "NAME"
)
_GUIDED = CliOption("guided", bool, "Whether to write guided backpropagation. By default no.", "Model")

COMMAND = Declared(
    name="gradient",
    help="Write a model of a classifier's logits and their gradients, to be run by any ONNX runtime.",
    options=(
        *some(MODEL, "input", "output"),
        *(_EXPLAINED, _SIZE, _LAYER, _GUIDED, _OUT),
        OUTPUT[-1],
    ),
    argument=Argument("model", "MODEL", "ONNX file."),
    epilog="Inputs: the image, as the model takes it but float32, and target, int64 (N,): an index for each image. "
    "Outputs: logits and gradient. Needs the package onnx to be written, nothing of this package to be run.",
)
