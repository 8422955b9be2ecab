"""What an explanation holds, checked: arrays, label, score, where it lies in the photograph, what it cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dccausal.errors import InputError
from dccausal.explanation.kinds import Kind
from dccausal.inputs.placement import Placement

if TYPE_CHECKING:
    from PIL import Image

Outcome = Literal["minimal", "sufficient", "trivial", "insufficient"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Level:
    """
    One of the nested sets.

    Attributes
    ----------
    confidence
        The share of the image's score that it keeps at least, 0 to 1; 0 asks for the label alone.
    kept
        bool (H, W), read-only: its pixels.
    score
        The label's score with only these visible; NaN where the classifier gives labels only.
    outcome
        As that of an ``Explanation``.

    """

    confidence: float
    kept: NDArray[np.bool_]
    score: float
    outcome: Outcome

    @property
    def size(self) -> float:
        """Share of the pixels that it keeps, 0 to 1."""
        return float(np.count_nonzero(self.kept) / self.kept.size)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was pickled or copied; the array stays read-only."""
        _restore(self, state)


@dataclass(frozen=True, eq=False, kw_only=True)
class AskedBaseline:
    """
    A baseline beside which the label has to stay.

    Attributes
    ----------
    name
        As it was given: the name of a colour, "#rrggbb", "blur", a path; "image" for one in memory.
    image
        uint8 (H, W, 3), read-only: what masked pixels become.
    score
        The label's score with only ``kept`` visible beside it; NaN where the classifier gives labels only.

    """

    name: str
    image: NDArray[np.uint8]
    score: float

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was pickled or copied; the array stays read-only."""
        _restore(self, state)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Record:
    """The fields of an ``Explanation``, where it is said what each is; checked, and read-only."""

    heatmap: NDArray[np.float32]
    kept: NDArray[np.bool_]
    label: int
    name: str | None
    score: float
    explanation_score: float
    outcome: Outcome
    notes: tuple[str, ...]
    image: NDArray[np.uint8]
    baseline: NDArray[np.uint8]
    photo: Image.Image
    placement: Placement
    source: str | None
    provenance: dict[str, Any]
    statistics: dict[str, Any]
    trees: tuple[dict[str, Any], ...] = ()
    levels: tuple[Level, ...] = ()
    target: dict[str, Any] | None = None
    kind: Kind = Kind()  # noqa: RUF009  frozen
    baselines: tuple[AskedBaseline, ...] = ()

    def __post_init__(self) -> None:
        """Check the fields, and keep arrays of our own that nobody can write to."""
        shape = np.shape(self.heatmap)
        if len(shape) != 2 or 0 in shape:  # noqa: PLR2004
            raise InputError(f"heatmap must be (H, W) float32, got {shape}")
        pixels = (*shape, 3)
        self._own("heatmap", shape, np.float32)
        self._own("kept", shape, np.bool_)
        self._own("image", pixels, np.uint8)
        self._own("baseline", pixels, np.uint8)
        if not (self.heatmap.min() >= 0 and self.heatmap.max() <= 1):  # NaN is refused too
            raise InputError(
                f"heatmap has values from {self.heatmap.min()} to {self.heatmap.max()}; 0 to 1 is needed"
            )
        if self.outcome not in get_args(Outcome):
            raise InputError(f"outcome is {self.outcome!r}; one of {', '.join(get_args(Outcome))} is needed")
        self._own_levels(shape)
        self.kind.check_shape(shape)
        self._own_baselines(pixels)
        if self.photo.mode != "RGB" or self.photo.size != self.placement.photo_size:
            raise InputError(
                f"photo is {self.photo.size} {self.photo.mode}; {self.placement.photo_size} RGB is needed"
            )
        for field, kind in (("label", int), ("score", float), ("explanation_score", float), ("notes", tuple)):
            object.__setattr__(self, field, kind(getattr(self, field)))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was pickled or copied; arrays stay read-only."""
        _restore(self, state)

    def _own_levels(self, shape: tuple[int, ...]) -> None:
        """Take the levels with arrays that nobody can write to."""
        levels = []
        for level in self.levels:
            kept = np.array(level.kept, dtype=np.bool_, order="C")
            if kept.shape != shape:
                raise InputError(f"levels have kept of {kept.shape}; {shape} is needed")
            kept.flags.writeable = False
            levels.append(replace(level, kept=kept))
        object.__setattr__(self, "levels", tuple(levels))

    def _own_baselines(self, pixels: tuple[int, ...]) -> None:
        """Take the baselines with arrays that nobody can write to."""
        baselines = []
        for baseline in self.baselines:
            image = np.array(baseline.image, dtype=np.uint8, order="C")
            if image.shape != pixels:
                raise InputError(f"baselines have image of {image.shape}; {pixels} is needed")
            image.flags.writeable = False
            baselines.append(replace(baseline, image=image))
        object.__setattr__(self, "baselines", tuple(baselines))

    def _own(self, field: str, shape: tuple[int, ...], dtype: type) -> None:
        given = np.asarray(getattr(self, field))
        if given.shape != shape or given.dtype != dtype:
            raise InputError(f"{field} must be {shape} {np.dtype(dtype)}, got {given.shape} {given.dtype}")
        own = np.array(given, order="C")
        own.flags.writeable = False
        object.__setattr__(self, field, own)

    @property
    def masked(self) -> NDArray[np.bool_]:
        """Inverse of ``kept``, bool (H, W): the pixels that were replaced by a baseline."""
        return ~self.kept

    @property
    def size(self) -> float:
        """Share of the pixels that the explanation keeps, 0 to 1."""
        return float(np.count_nonzero(self.kept) / self.kept.size)

    @property
    def title(self) -> str:
        """The target in words: the label's name and index, and which box or region of it."""
        if self.target is not None:
            return str(self.target["title"])
        return f"label {self.label}" if self.name is None else f"{self.name} ({self.label})"

    def ranking(self) -> NDArray[np.int64]:
        """
        Return the pixels by responsibility, best first.

        Returns
        -------
        NDArray
            int64 (H * W,), indices into the flattened heatmap. Pixels of equal heat come in the order of
            their indices.

        """
        return np.argsort(-self.heatmap.ravel(), kind="stable").astype(np.int64)


def _restore(record: Level | AskedBaseline | Record, state: dict[str, Any]) -> None:
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        object.__setattr__(record, name, value)
