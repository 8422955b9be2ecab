"""A classifier's gradients and relevances: graphs that are built when first asked for, and run in batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ClassifierError, OptionError
from dccausal.gradients.buffers import Buffers, Device
from dccausal.gradients.build import GRADIENT_BOOK, gradient_model
from dccausal.gradients.guided import GUIDED_BOOK
from dccausal.gradients.layers import Layer, find_layer, named_layer
from dccausal.gradients.relevance.build import relevance_model
from dccausal.gradients.relevance.lrp import LrpRules
from dccausal.gradients.sample import take_sample
from dccausal.gradients.source import read_source

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """
    What a run gave.

    Attributes
    ----------
    logits
        float32 (N, n_classes).
    values
        float32: gradients or relevances, like the tensor that was given.
    activation
        Of a layer, where one was asked about.

    """

    logits: Floats
    values: Floats
    activation: Floats | None = None


class WhiteBox:
    """
    A classifier's model, to be asked for gradients and relevances.

    Parameters
    ----------
    model
        Path of an ONNX file, or its bytes.
    image, output
        Names of its image input and of the output that is explained; by default the only one, and the first.
    size
        (height, width) of the images.
    rows
        Images a run; None for all at once.
    open_session
        Makes an ONNX Runtime session of a model's bytes; by default one on the CPU.
    device
        ONNX Runtime's name and number of a device in whose memory images are to be kept in buffers of a fixed size,
        such as ("cuda", 0); None where every run brings its own.

    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes,
        *,
        image: str | None = None,
        output: str | None = None,
        size: tuple[int, int] | None = None,
        rows: int | None = None,
        open_session: Callable[[bytes], Any] | None = None,
        device: Device | None = None,
    ) -> None:
        """Take note; nothing is built yet."""
        self._model, self._rows = model, rows
        self._names: dict[str, Any] = {"image": image, "output": output, "size": size}
        self._open = open_session or _open_on_cpu
        self._sessions: dict[object, Any] = {}
        self._device = device
        self._buffers: dict[int, Buffers] = {}
        self._layers: dict[str | None, Layer] = {}

    def gradient(
        self, tensor: NDArray[Any], targets: NDArray[Any] | int, *, is_guided: bool = False
    ) -> Answer:
        """
        Return the gradients of logits with respect to the model's input.

        Parameters
        ----------
        tensor
            (N, ...) as the model takes it; computed in float32.
        targets
            Index of the logit, one for all rows or int (N,).
        is_guided
            Whether by guided backpropagation.

        Raises
        ------
        ModelError
            If an operation of the model has no rule, or for guided backpropagation there is no ReLU.
        OptionError
            If a target is out of range.
        ClassifierError
            If the runtime fails.

        """
        book = GUIDED_BOOK if is_guided else GRADIENT_BOOK
        session = self._session(book.what, lambda: gradient_model(self._model, book=book, **self._names))
        return self._run(session, tensor, targets, "gradient")

    def relevance(
        self, tensor: NDArray[Any], targets: NDArray[Any] | int, rules: LrpRules | Literal["rap"]
    ) -> Answer:
        """Return relevances by LRP or RAP; arguments and errors as in ``gradient``."""
        session = self._session(rules, lambda: relevance_model(self._model, rules, **self._names))
        return self._run(session, tensor, targets, "relevance")

    def layer(self, name: str | None = None) -> Layer:
        """
        Return the layer of a name, or the one that class activation maps are best drawn from.

        Raises
        ------
        OptionError
            If there is no such layer, or it has no grid.
        ModelError
            If no layer has one.

        """
        if name not in self._layers:
            source = read_source(self._model, **self._names)
            sample = take_sample(source, self._names["size"])
            if name is None:
                shape = sample.sizes[source.image]
                found = find_layer(source, sample, GRADIENT_BOOK, lambda m: _run_once(m, source.image, shape))
            else:
                found = named_layer(name, source, sample)
            self._layers[name] = self._layers[found.name] = found
        return self._layers[name]

    def at_layer(self, tensor: NDArray[Any], targets: NDArray[Any] | int, layer: Layer) -> Answer:
        """Return a layer's activation and gradient, each (N, C, rows, columns); errors as in ``gradient``."""
        session = self._session(layer, lambda: gradient_model(self._model, layer=layer.name, **self._names))
        answer = self._run(session, tensor, targets, "gradient", "activation")
        if answer.activation is None:
            raise ClassifierError(f"the model gave no activation of {layer.name!r}")
        return Answer(answer.logits, layer.as_map(answer.values), layer.as_map(answer.activation))

    def _session(self, key: object, build: Callable[[], Any]) -> Any:
        if key not in self._sessions:
            self._sessions[key] = self._open(build().SerializeToString())
        return self._sessions[key]

    def _run(self, session: Any, tensor: NDArray[Any], targets: NDArray[Any] | int, *wanted: str) -> Answer:
        asked = np.broadcast_to(np.asarray(targets, np.int64), len(tensor))
        n_columns = session.get_outputs()[0].shape[-1]
        n_classes = max(int(n_columns), 2) if isinstance(n_columns, int) else None
        if n_classes is not None and len(asked) and not 0 <= asked.min() <= asked.max() < n_classes:
            raise OptionError(f"target is {int(asked.max())}; an index from 0 to {n_classes - 1} is needed")
        name, target = (value.name for value in session.get_inputs())
        first = session.get_inputs()[0].shape[0]
        step = first if isinstance(first, int) else self._rows or max(len(tensor), 1)
        parts = []
        for start in range(0, len(tensor), step):
            rows = np.ascontiguousarray(tensor[start : start + step], np.float32)
            feed = {
                name: _filled(rows, step, first),
                target: _filled(asked[start : start + step], step, first),
            }
            try:
                outputs = self._outputs(session, feed, ["logits", *wanted], step)
            except Exception as error:
                raise ClassifierError(f"the gradient could not be computed: {error}") from error
            parts.append([output[: len(rows)] for output in outputs])
        joined = [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]
        return Answer(joined[0], joined[1], joined[2] if len(joined) > 2 else None)  # noqa: PLR2004

    def _outputs(
        self, session: Any, feed: Mapping[str, NDArray[Any]], wanted: list[str], step: int
    ) -> list[NDArray[Any]]:
        """Run a session, from buffers on the device where there are to be any."""
        if self._device is None:
            outputs: list[NDArray[Any]] = session.run(wanted, feed)
            return outputs
        images, targets = feed.values()
        buffers = self._buffers.get(id(session))
        if buffers is None or not buffers.holds(len(images), images.shape[1:]):
            buffers = Buffers(session, images.shape[1:], max(step, len(images)), self._device)
            self._buffers[id(session)] = buffers
        return buffers.run(images, targets, wanted)


def _filled(rows: NDArray[Any], step: int, first: object) -> NDArray[Any]:
    """Fill up a batch where the model takes one number of images only."""
    if not isinstance(first, int) or len(rows) == step:
        return rows
    return np.concatenate([rows, np.repeat(rows[:1], step - len(rows), axis=0)])


def _open_on_cpu(model: bytes) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _run_once(model: Any, image: str, shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    session = _open_on_cpu(model.SerializeToString())
    tensor = np.random.default_rng(0).random(shape).astype(np.float32)
    names = [value.name for value in session.get_outputs()]
    feed = {image: tensor, "target": np.zeros(shape[0], np.int64)}
    return dict(zip(names, session.run(names, feed), strict=True))
