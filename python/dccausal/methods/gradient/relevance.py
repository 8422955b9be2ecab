"""Relevance shared out backwards: LRP and RAP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number, one_of
from dccausal.errors import OptionError
from dccausal.gradients.attribution import score_of
from dccausal.gradients.relevance import PRESETS, LrpRules
from dccausal.gradients.relevance.lrp import Preset
from dccausal.methods.gradient.base import WhiteBoxSearch, conservation


@dataclass(frozen=True, kw_only=True)
class LrpOptions:
    """
    Layer-wise relevance propagation [1]_, by one of three presets [2]_; attention by AttnLRP [3]_.

    ``notes`` says how nearly the relevances add up to the logit. They are summed over the channels; signed.

    Attributes
    ----------
    rule
        "epsilon" everywhere; "zplus" in convolutions and epsilon in dense layers; or "composite": z-box at the image,
        gamma in the other convolutions, epsilon in dense layers.
    epsilon
        Above 0; of the epsilon rule.
    gamma
        0 or more; of "composite".
    bias
        "none" leaves biases out, so that relevance is conserved; "share" gives them their share, which is lost.
    attention
        "shared" (AttnLRP), or "fixed": attention weights are taken to be constants.

    References
    ----------
    .. [1] S. Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance
       Propagation", PLOS ONE 2015.
    .. [2] G. Montavon et al., "Layer-Wise Relevance Propagation: An Overview", 2019.
    .. [3] R. Achtibat et al., "AttnLRP: Attention-Aware Layer-Wise Relevance Propagation for Transformers", ICML 2024.

    """

    rule: Preset = "composite"
    epsilon: float = 1e-6
    gamma: float = 0.25
    bias: Literal["share", "none"] = "none"
    attention: Literal["shared", "fixed"] = "shared"

    def __post_init__(self) -> None:
        """Check every value."""
        one_of("rule", self.rule, PRESETS)
        one_of("bias", self.bias, ("share", "none"))
        one_of("attention", self.attention, ("shared", "fixed"))
        if not finite_number("epsilon", self.epsilon) > 0:
            raise OptionError(f"epsilon is {self.epsilon}; a number above 0 is needed")
        if not finite_number("gamma", self.gamma) >= 0:
            raise OptionError(f"gamma is {self.gamma}; a number of at least 0 is needed")


@dataclass(frozen=True, kw_only=True)
class RapOptions:
    """
    Relative attributing propagation [1]_: relevance for and against the label by relative influence.

    It is defined for networks of convolutions, dense layers, ReLU, pools and residual sums; others are refused.
    ``notes`` says how nearly the relevances add up to the logit.

    References
    ----------
    .. [1] W.-J. Nam et al., "Relative Attributing Propagation: Interpreting the Comparative Contributions of Individual
       Units in Deep Neural Networks", AAAI 2020.

    """


class LrpSearch(WhiteBoxSearch):
    """Asks for relevances once."""

    def find(self) -> NDArray[np.float64]:
        """Return relevances, summed over channels."""
        options = self.options
        rules = LrpRules(
            preset=options.rule,
            epsilon=options.epsilon,
            gamma=options.gamma,
            bias=options.bias,
            attention=options.attention,
            box=self._bounds() if options.rule == "composite" else None,
        )
        return _relevance(self, rules)

    def _bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the least and greatest value of each channel of the model's input, from black and from white."""
        height, width = self.view.image.shape[:2]
        ends = np.stack([np.full((height, width, 3), level, np.uint8) for level in (0, 255)])
        encoded = self.classifier.encode(ends).astype(np.float64)
        axes = (2, 3) if self.classifier.layout == "NCHW" else (1, 2)
        low, high = encoded.min(axis=axes), encoded.max(axis=axes)
        return tuple(low.min(axis=0).tolist()), tuple(high.max(axis=0).tolist())


class RapSearch(WhiteBoxSearch):
    """Asks for relevances once."""

    def find(self) -> NDArray[np.float64]:
        """Return relevances, summed over channels."""
        return _relevance(self, "rap")


def _relevance(search_: WhiteBoxSearch, rules: LrpRules | Literal["rap"]) -> NDArray[np.float64]:
    answer = search_.box.relevance(search_.tensor, search_.label, rules)
    search_.spend(1, 1.0)
    total = float(answer.values.astype(np.float64).sum())
    search_.note(conservation("Conservation", total, score_of(answer.logits[0], search_.label)))
    return search_.over_channels(answer.values[0])
