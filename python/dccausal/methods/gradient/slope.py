"""The gradient itself, times the input, and guided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dccausal.methods.gradient.base import WhiteBoxSearch


@dataclass(frozen=True, kw_only=True)
class GradientOptions:
    """
    The gradient of the label's logit [1]_: its absolute values, summed over the channels.

    References
    ----------
    .. [1] K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks: Visualising Image Classification
       Models and Saliency Maps", ICLR workshop 2014.

    """


@dataclass(frozen=True, kw_only=True)
class InputTimesGradientOptions:
    """The model's input (after normalisation) times the gradient, summed over the channels; signed."""


@dataclass(frozen=True, kw_only=True)
class GuidedOptions:
    """
    Guided backpropagation [1]_: the gradient, of which a ReLU (or ReLU6) passes on only what is positive.

    Its absolute values are summed over the channels. A model without any ReLU is refused.

    References
    ----------
    .. [1] J. T. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller, "Striving for Simplicity: The All Convolutional
       Net", ICLR workshop 2015.

    """


class GradientSearch(WhiteBoxSearch):
    """Asks for one gradient."""

    def find(self) -> NDArray[np.float64]:
        """Return absolute values, summed over channels."""
        values = self.box.gradient(self.tensor, self.label).values[0]
        self.spend(1, 1.0)
        return self.over_channels(np.abs(values))


class InputTimesGradientSearch(WhiteBoxSearch):
    """Asks for one gradient."""

    def find(self) -> NDArray[np.float64]:
        """Return products, summed over channels."""
        values = self.box.gradient(self.tensor, self.label).values[0]
        self.spend(1, 1.0)
        return self.over_channels(self.tensor[0].astype(np.float64) * values)


class GuidedSearch(WhiteBoxSearch):
    """Asks for one guided gradient."""

    def find(self) -> NDArray[np.float64]:
        """Return absolute values, summed over channels."""
        values = self.box.gradient(self.tensor, self.label, is_guided=True).values[0]
        self.spend(1, 1.0)
        return self.over_channels(np.abs(values))
