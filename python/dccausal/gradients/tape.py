"""
Where the rules write the operations of the backward pass, and ask what is known of the forward pass.

Names of tensors are all that is handed around: ``tape.op("Mul", g, y)`` adds a node and returns its output's name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import ModelError
from dccausal.gradients.nodes import Node
from dccausal.gradients.sample import Sample, Shape

PREFIX = "gradient::"
_AXES_ARE_INPUTS = 18  # opset from which ReduceMean and its like take them as an input
_MAX_SHARED = 16  # numbers of a constant that is looked up before another like it is added


class Tape:
    """
    The backward pass, as it grows.

    Parameters
    ----------
    sample
        What is known of the forward pass.
    opset
        Of the model; all that is written is valid in it.
    active
        Names of the tensors through which the output depends on what is asked about: those that a gradient is
        wanted of.

    """

    def __init__(self, sample: Sample, opset: int, active: Iterable[str]) -> None:
        """Begin with nothing."""
        self.opset = opset
        self.active = frozenset(active)
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.extra_outputs: dict[str, list[str]] = {}
        self._sample = sample
        self._n = 0
        self._constants: dict[tuple[Any, ...], str] = {}
        self._shapes: dict[str, str] = {}

    def op(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation; return the name of its output."""
        return self.outputs(op, *inputs, n=1, **attributes)[0]

    def outputs(self, op: str, *inputs: str, n: int, **attributes: Any) -> list[str]:
        """Add an operation of several outputs; return their names."""
        from onnx import helper

        self._n += 1
        name = f"{PREFIX}{op}_{self._n}"
        outputs = [name if n == 1 else f"{name}_{index}" for index in range(n)]
        given = {key: value for key, value in attributes.items() if value is not None}
        domain, _, kind = op.rpartition(":")
        self.nodes.append(helper.make_node(kind, inputs, outputs, name, domain=domain, **given))
        return outputs

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        """Add a constant, int64 unless another type is given; equal small ones are added once."""
        from onnx import numpy_helper

        array = np.ascontiguousarray(np.asarray(value, dtype)).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= _MAX_SHARED else None
        if key is not None and key in self._constants:
            return self._constants[key]
        self._n += 1
        name = f"{PREFIX}constant_{self._n}"
        self.initializers.append(numpy_helper.from_array(array, name))
        if key is not None:
            self._constants[key] = name
        return name

    def number(self, value: float, like: str) -> str:
        """Add a constant number of the type of a tensor of the forward pass."""
        return self.constant(value, self.float_dtype(like))

    # What is known of the forward pass.

    def shape(self, name: str) -> Shape:
        """Return a tensor's shape; None for a dimension that depends on the number or size of the images."""
        return self._sample.shapes[name]

    def rank(self, name: str) -> int:
        """Return a tensor's number of dimensions."""
        return len(self._sample.shapes[name])

    def dtype(self, name: str) -> str:
        """Return NumPy's name of a tensor's type."""
        return self._sample.dtypes[name]

    def float_dtype(self, name: str) -> str:
        """Return the type in which the gradient of a tensor is computed."""
        return "float64" if self.dtype(name) == "float64" else "float32"

    def value(self, name: str) -> NDArray[Any] | None:
        """Return a tensor's numbers where they are the same for all images, else None."""
        found = self._sample.values.get(name)
        return None if found is None else np.asarray(found)

    def is_free(self, name: str) -> bool:
        """Whether a tensor does not depend on what the image shows."""
        return name in self._sample.image_free

    def wants(self, name: str) -> bool:
        """Whether a gradient is wanted of a tensor."""
        return name in self.active

    def known(self, node: Node, index: int, what: str) -> NDArray[Any]:
        """
        Return the numbers of an input that a rule cannot do without.

        Raises
        ------
        ModelError
            If they depend on the image, its size or the number of images.

        """
        value = self.value(node.input(index))
        if value is None:
            raise ModelError(
                f"{node} has {what} that depend on the image, on its size or on the number of images; "
                "export the model with a fixed batch and size"
            )
        return value

    def known_shape(self, node: Node, name: str, axes: Iterable[int], why: str) -> list[int]:
        """
        Return some dimensions of a tensor that a rule cannot do without.

        Raises
        ------
        ModelError
            If one of them is open.

        """
        shape = self.shape(name)
        found = [shape[axis] for axis in axes]
        if any(n is None for n in found):
            raise ModelError(
                f"{node} works on an open size, and {why}; export the model with a fixed height and width"
            )
        return [n for n in found if n is not None]

    # What many rules need.

    def shape_of(self, name: str) -> str:
        """Return a tensor with the shape of one of the forward pass: a constant where all of it is known."""
        if name not in self._shapes:
            shape = self.shape(name)
            self._shapes[name] = self.op("Shape", name) if None in shape else self.constant(shape)
        return self._shapes[name]

    def dimension(self, name: str, axis: int) -> str:
        """Return one dimension of a tensor of the forward pass, int64 (1,)."""
        n = self.shape(name)[axis]
        if n is not None:
            return self.constant([n])
        return self.op("Gather", self.shape_of(name), self.constant([axis % self.rank(name)]), axis=0)

    def reshape_like(self, tensor: str, name: str, of: str = "") -> str:
        """
        Return a tensor in the shape of one of the forward pass.

        ``of`` names one that has the tensor's own shape. Where only the number of images is open in both, it is copied
        rather than worked out, so that a runtime still knows that gradients and activations have it in common.
        """
        if of and self.has_open_rows(name) and self.has_open_rows(of):
            rest, own = self.shape(name)[1:], self.shape(of)[1:]
            if math.prod(n or 0 for n in rest) == math.prod(n or 0 for n in own) > 0:
                return self.op("Reshape", tensor, self.constant([0, *rest]))
        return self.op("Reshape", tensor, self._target_shape(name))

    def has_open_rows(self, name: str) -> bool:
        """Whether the number of images, and nothing else, is open in a tensor's shape."""
        shape = self.shape(name)
        return len(shape) > 1 and shape[0] is None and None not in shape[1:]

    def _target_shape(self, name: str) -> str:
        shape = self.shape(name)
        if shape.count(None) == 1 and 0 not in shape:
            return self.constant([-1 if n is None else n for n in shape])
        return self.shape_of(name)

    def zeros_like(self, name: str) -> str:
        """Return zeros in the shape of a tensor of the forward pass."""
        from onnx import numpy_helper

        zero = numpy_helper.from_array(np.zeros(1, self.float_dtype(name)))
        return self.op("ConstantOfShape", self.shape_of(name), value=zero)

    def expand_like(self, tensor: str, name: str, *, has_rows: bool = False) -> str:
        """
        Return a tensor, broadcast to the shape of one of the forward pass.

        ``has_rows`` says that it has as many rows already, so that they need not be counted.
        """
        if has_rows and self.has_open_rows(name):
            return self.op("Expand", tensor, self.constant([1, *self.shape(name)[1:]]))
        return self.op("Expand", tensor, self.shape_of(name))

    def cast(self, tensor: str, like: str) -> str:
        """Return a tensor in the type of the gradient of one of the forward pass."""
        from onnx import TensorProto

        to = TensorProto.DOUBLE if self.float_dtype(like) == "float64" else TensorProto.FLOAT
        return self.op("Cast", tensor, to=to)

    def mask(self, gradient: str, condition: str, like: str) -> str:
        """Return a gradient where a condition holds, 0 elsewhere: a product, which runs faster than Where."""
        return self.op("Mul", gradient, self.cast(condition, like))

    def sum(self, tensor: str, axes: Sequence[int], *, keepdims: bool = True) -> str:
        """Return sums over axes."""
        return self.op("ReduceSum", tensor, self.constant(list(axes)), keepdims=int(keepdims))

    def mean(self, tensor: str, axes: Sequence[int]) -> str:
        """Return means over axes, which are kept with size 1."""
        return self.reduce("ReduceMean", tensor, axes)

    def reduce(self, op: str, tensor: str, axes: Sequence[int], *, keepdims: bool = True) -> str:
        """Return a reduction over axes, in the form that the model's opset has for it."""
        if self.opset >= _AXES_ARE_INPUTS:
            return self.op(op, tensor, self.constant(list(axes)), keepdims=int(keepdims))
        return self.op(op, tensor, axes=list(axes), keepdims=int(keepdims))

    def sum_to(self, gradient: str, name: str, result: str) -> str:
        """
        Return the gradient of an operand that was broadcast: summed over what it was repeated along.

        Parameters
        ----------
        gradient
            In the shape of the result.
        name
            The operand.
        result
            The tensor that the operand was broadcast for.

        """
        small, large = self.shape(name), self.shape(result)
        added = len(large) - len(small)
        axes = [added + axis for axis, n in enumerate(small) if n == 1 and large[added + axis] != 1]
        if not added and not axes:
            return gradient
        if math.prod(n or 0 for n in small) == 1:
            axes = list(range(added, len(large)))
        summed = self.sum(gradient, [*range(added), *axes])
        return self.reshape_like(summed, name) if added else summed

    def forward_output(self, node: Node, index: int) -> str:
        """Return an output that the forward operation can give besides those it gives now (indices of a pool)."""
        if index < len(node.outputs) and node.outputs[index]:
            return node.outputs[index]
        asked = self.extra_outputs.setdefault(node.outputs[0], list(node.outputs))
        asked += [""] * (index + 1 - len(asked))
        if not asked[index]:
            asked[index] = f"{PREFIX}{node.outputs[0]}::output_{index}"
        return asked[index]
