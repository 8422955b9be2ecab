"""Statistical fault localisation: which superpixels are masked when the label is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dccausal._checks import finite_number, whole_number
from dccausal._job import View
from dccausal._methods_base import MAX_QUESTIONS, MaskFinder, generator, lattice
from dccausal._verdicts import Target
from dccausal.errors import OptionError

# The penalty in Zoltar's measure.
_ZOLTAR = 10_000.0


class Spectrum(NamedTuple):
    """
    Counts of mutants for each superpixel, float64 of one shape.

    Attributes
    ----------
    ef, ep
        Failing and passing mutants that execute the superpixel: it is masked in them.
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
    Statistical fault localisation as in DeepCover [1]_, on mutants of random superpixels.

    The image is cut into a lattice of superpixels. Each mutant masks a random set of them. A mutant *fails* if
    the label is lost, and it *executes* a superpixel if that is masked in it: masking is the edit that is
    suspected of the failure. So a superpixel is the more suspicious, and the heatmap the higher, the more often
    the label is lost with it masked and the less often it stays. That is how DeepCover's program counts
    (``sfl-src/to_rank.py``: ef counts failing mutants in which the pixel differs from the image). Its Tarantula
    has np/(ep+np) where the measure as published, and here, has ep/(ep+np).

    DeepCover's mutants differ: it masks one square at a random place, shrinks or grows it until the verdict
    changes, and keeps both. Here each mutant masks any superpixels, and the random share balances verdicts.

    Attributes
    ----------
    mutants
        Number of mutants, 1 to 1,000,000 (DeepCover: 2,000).
    cells
        Superpixels a side, 2 to 256.
    share
        Share of the superpixels that a mutant masks, above 0 and below 1; None draws it for each mutant anew,
        uniformly.

    References
    ----------
    .. [1] Y. Sun, H. Chockler, X. Huang, D. Kroening, "Explaining Image Classifiers using Statistical Fault
       Localization", ECCV 2020.

    """

    mutants: int = 2000
    cells: int = 14
    share: float | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        whole_number("mutants", self.mutants, 1, MAX_QUESTIONS)
        whole_number("cells", self.cells, 2, 256)
        if self.share is not None and not 0 < finite_number("share", self.share) < 1:
            raise OptionError(f"share is {self.share}; a share above 0 and below 1, or None, is needed")


class SbflFinder(MaskFinder):
    """Counts, for each superpixel, in how many passing and failing mutants it is masked."""

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
        self._block_of = lattice(view.image.shape[0], view.image.shape[1], options.cells)
        self._n_blocks = int(self._block_of[-1, -1]) + 1
        self._n_masked = {verdict: np.zeros(self._n_blocks) for verdict in (False, True)}
        self._n_mutants = {False: 0, True: 0}

    def draw(self, index: int) -> NDArray[np.uint8]:
        """Return a mutant."""
        return self.composed(~self._masked(index)[self._block_of])

    def use(self, index: int, *, is_passing: bool, score: float) -> None:  # noqa: ARG002  labels suffice
        """Count a mutant."""
        self._n_masked[is_passing] += self._masked(index)
        self._n_mutants[is_passing] += 1

    def heatmap(self) -> NDArray[np.float64]:
        """Return the suspiciousness of each pixel's superpixel."""
        return self._measure(self._spectrum())[self._block_of]

    def _spectrum(self) -> Spectrum:
        ef, ep = self._n_masked[False], self._n_masked[True]
        return Spectrum(ef, ep, self._n_mutants[False] - ef, self._n_mutants[True] - ep)

    def _masked(self, index: int) -> NDArray[np.bool_]:
        """Return which superpixels a mutant masks: at least one, and not all."""
        random = generator(self._seed, index)
        share = random.random() if self._share is None else self._share
        n_masked = min(max(round(share * self._n_blocks), 1), self._n_blocks - 1)
        masked = np.zeros(self._n_blocks, dtype=np.bool_)
        masked[random.permutation(self._n_blocks)[:n_masked]] = True
        return masked
