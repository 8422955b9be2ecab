"""Statistical fault localisation: what is masked when the label is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number, one_of, whole_number
from dccausal.errors import OptionError
from dccausal.inputs.view import View
from dccausal.methods.base import MAX_QUESTIONS, MaskSearch, generator, lattice
from dccausal.targets import Target

Mutation = Literal["square", "superpixels"]

# The penalty in Zoltar's measure.
_ZOLTAR = 10_000.0


class Spectrum(NamedTuple):
    """
    Counts of mutants for each pixel, float64 of one shape.

    Attributes
    ----------
    ef, ep
        Failing and passing mutants that execute the pixel: it is masked in them.
    nf, np_
        Failing and passing mutants that do not: it is visible in them.

    """

    ef: NDArray[np.float64]
    ep: NDArray[np.float64]
    nf: NDArray[np.float64]
    np_: NDArray[np.float64]


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; 0 where the divisor is 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def tarantula(s: Spectrum) -> NDArray[np.float64]:
    """Return ef/(ef+nf) / (ef/(ef+nf) + ep/(ep+np)); 0 where a divisor is 0."""
    failing, passing = _ratio(s.ef, s.ef + s.nf), _ratio(s.ep, s.ep + s.np_)
    return _ratio(failing, failing + passing)


def zoltar(s: Spectrum) -> NDArray[np.float64]:
    """Return ef / (ef + nf + ep + 10000 nf ep / ef); 0 where ef is 0."""
    return _ratio(s.ef, s.ef + s.nf + s.ep + _ZOLTAR * _ratio(s.nf * s.ep, s.ef))


def ochiai(s: Spectrum) -> NDArray[np.float64]:
    """Return ef / sqrt((ef + nf) (ef + ep)); 0 where the divisor is 0."""
    return _ratio(s.ef, np.sqrt((s.ef + s.nf) * (s.ef + s.ep)))


def wong2(s: Spectrum) -> NDArray[np.float64]:
    """Return ef - ep."""
    return s.ef - s.ep


MEASURES: Mapping[str, Callable[[Spectrum], NDArray[np.float64]]] = MappingProxyType(
    {"tarantula": tarantula, "zoltar": zoltar, "ochiai": ochiai, "wong2": wong2}
)


@dataclass(frozen=True, kw_only=True)
class SbflOptions:
    """
    Statistical fault localisation as in DeepCover [1]_: four measures of how suspicious a pixel is.

    Many mutants are made, in each of which a random part of the image is masked. A mutant *fails* if the label
    is lost, and it *executes* a pixel if that is masked in it: masking is the edit that is suspected of the
    failure. So a pixel is the more suspicious, and the heatmap the higher, the more often the label is lost with
    it masked and the less often it stays. That is how DeepCover's program counts (``sfl-src/to_rank.py``: ef
    counts failing mutants in which the pixel differs from the image). Its Tarantula has np/(ep+np) where the
    measure as published, and here, has ep/(ep+np).

    DeepCover's program masks one square at a random place, with a side of 2/5 of the image's, and then makes it
    smaller or larger until the verdict changes. Here the side is drawn at random instead, so that no question
    waits for an answer.

    Attributes
    ----------
    mutants
        Number of mutants, 1 to 1,000,000 (DeepCover: 2,000).
    mutation
        What a mutant masks: one "square" with the image's proportions, cut off at the border; or any
        "superpixels" of a lattice.
    share
        Side of the square as a share of the image's, or share of the superpixels that are masked; above 0 and
        below 1. None draws it for each mutant anew, uniformly from 0 to 1.
    cells
        Superpixels a side, 2 to 256.

    References
    ----------
    .. [1] Y. Sun, H. Chockler, X. Huang, D. Kroening, "Explaining Image Classifiers using Statistical Fault
       Localization", ECCV 2020.

    """

    mutants: int = 2000
    mutation: Mutation = "square"
    share: float | None = None
    cells: int = 7

    def __post_init__(self) -> None:
        """Check every value."""
        whole_number("mutants", self.mutants, 1, MAX_QUESTIONS)
        one_of("mutation", self.mutation, ("square", "superpixels"))
        if self.share is not None and not 0 < finite_number("share", self.share) < 1:
            raise OptionError(f"share is {self.share}; a share above 0 and below 1, or None, is needed")
        whole_number("cells", self.cells, 2, 256)


class SbflSearch(MaskSearch):
    """Counts, for each pixel, in how many passing and failing mutants it is masked."""

    def __init__(
        self,
        view: View,
        target: Target,
        budget: int | None,
        *,
        seed: int,
        measure: Callable[[Spectrum], NDArray[np.float64]],
        options: SbflOptions,
    ) -> None:
        """Count nothing yet."""
        super().__init__(view, target, options.mutants, budget)
        self._seed, self._measure, self._share = seed, measure, options.share
        height, width = view.image.shape[:2]
        self._shape = (height, width)
        self._block_of = None if options.mutation == "square" else lattice(height, width, options.cells)
        self._n_masked = {verdict: np.zeros((height, width)) for verdict in (False, True)}
        self._n_mutants = {False: 0, True: 0}
        self._drawn: dict[int, NDArray[np.bool_]] = {}

    def draw(self, index: int) -> NDArray[np.uint8]:
        """Return a mutant."""
        random = generator(self._seed, index)
        share = random.random() if self._share is None else self._share
        if self._block_of is None:
            masked = _square(random, self._shape, share)
        else:
            masked = _superpixels(random, self._block_of, share)
        self._drawn[index] = masked
        return self.composed(~masked)

    def use(self, index: int, *, is_passing: bool, score: float) -> None:  # noqa: ARG002  labels suffice
        """Count a mutant."""
        self._n_masked[is_passing] += self._drawn.pop(index)
        self._n_mutants[is_passing] += 1

    def heatmap(self) -> NDArray[np.float64]:
        """Return the suspiciousness of each pixel."""
        ef, ep = self._n_masked[False], self._n_masked[True]
        return self._measure(Spectrum(ef, ep, self._n_mutants[False] - ef, self._n_mutants[True] - ep))


def _square(random: np.random.Generator, shape: tuple[int, int], share: float) -> NDArray[np.bool_]:
    """Return the pixels of a square around a random one, cut off at the border; at least one pixel."""
    spans = []
    for side in shape:
        centre, half = int(random.integers(side)), round(share * side / 2)
        spans.append(slice(max(0, centre - half), max(centre + half, centre + 1)))
    masked = np.zeros(shape, dtype=np.bool_)
    masked[tuple(spans)] = True
    return masked


def _superpixels(random: np.random.Generator, block_of: NDArray[np.intp], share: float) -> NDArray[np.bool_]:
    """Return the pixels of random superpixels: at least one of them, and not all."""
    n_blocks = int(block_of[-1, -1]) + 1
    n_masked = min(max(round(share * n_blocks), 1), n_blocks - 1)
    masked = np.zeros(n_blocks, dtype=np.bool_)
    masked[random.permutation(n_blocks)[:n_masked]] = True
    return masked[block_of]
