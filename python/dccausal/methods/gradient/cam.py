"""Class activation maps of a layer of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import OptionError
from dccausal.gradients.cam import class_activation_map, grad_cam, hires_cam
from dccausal.methods.gradient.base import WhiteBoxSearch


@dataclass(frozen=True, kw_only=True)
class CamOptions:
    """
    Grad-CAM [1]_ and HiResCAM [2]_: a layer's feature maps, weighted by their slopes.

    What argues against the label is cut off; the map is enlarged bilinearly.

    Attributes
    ----------
    layer
        Name of a tensor of the model with a grid over the image: a feature map, or the tokens of a transformer. By
        default the last one before pooling or the head; of tokens the last normalised ones that are mixed again.

    References
    ----------
    .. [1] R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
       ICCV 2017.
    .. [2] R. L. Draelos, L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
       networks", arXiv:2011.08891.

    """

    layer: str | None = None

    def __post_init__(self) -> None:
        """Check the name."""
        if self.layer is not None and not isinstance(self.layer, str):
            raise OptionError(f"layer is {self.layer!r}; the name of a tensor is needed")


class CamSearch(WhiteBoxSearch):
    """Asks for one gradient at a layer."""

    def __init__(self, *given: Any, name: str, **more: Any) -> None:
        """Take the method's name, "grad-cam" or "hires-cam"."""
        self._name = name
        super().__init__(*given, **more)

    def find(self) -> NDArray[np.float64]:
        """Return the map, enlarged to the image."""
        layer = self.box.layer(self.options.layer)
        weigh = grad_cam if self._name == "grad-cam" else hires_cam
        size = (self.view.image.shape[0], self.view.image.shape[1])
        found = class_activation_map(self.box, self.tensor, self.label, layer, size=size, weigh=weigh)
        self.spend(1, 1.0)
        rows, columns = layer.grid
        self.note(f"The map was drawn from the layer {layer.name!r}, {rows} x {columns}.")
        return found
