"""The compiled core. Arrays go in and out by value; every class may be used from any thread."""

from collections.abc import Sequence
from typing import TypedDict, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Batch",
    "Blurred",
    "Evidence",
    "Extraction",
    "Halves",
    "Minimal",
    "Nested",
    "Renderer",
    "Scoring",
    "Search",
    "Slots",
    "SmoothMasks",
    "Spread",
    "__version__",
    "area_slopes",
    "block_means",
    "contoured",
    "is_debug_build",
    "smoothed",
]

__version__: str
is_debug_build: bool

class _SearchCounts(TypedDict):
    partitions: int
    refinements: int
    verdicts: int
    asked: int
    rounds: int
    exhaustive: int
    inferred: int
    audited: int
    audited_wrong: int
    reach: float

class _TreeNode(TypedDict):
    region: list[int]
    parent: int | None
    depth: int
    responsibility: float
    stake: float
    contingency: list[int]
    is_refined: bool

class _Tree(TypedDict):
    world: str
    nodes: list[_TreeNode]

@final
class Batch:
    """Questions to classify together: which pixels to mask."""

    @property
    def id(self) -> int: ...
    @property
    def baseline(self) -> int: ...
    def __len__(self) -> int: ...
    def masked(self) -> NDArray[np.bool_]: ...
    def rectangles(self) -> NDArray[np.int32]: ...
    def bits(self) -> NDArray[np.uint8]: ...

@final
class Evidence:
    """What is known about one image, and what it has cost; searches and extractions share it."""

    def __new__(
        cls,
        height: int,
        width: int,
        *,
        intact: tuple[bool, float] | None = None,
        blank: tuple[bool, float] | None = None,
        max_calls: int | None = None,
        baselines: int = 1,
    ) -> Evidence: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def baselines(self) -> int: ...
    @property
    def n_calls(self) -> int: ...
    @property
    def max_calls(self) -> int | None: ...
    @max_calls.setter
    def max_calls(self, max_calls: int | None) -> None: ...
    def spend(self, n_calls: int) -> None: ...

@final
class Search:
    """The search for responsibility over many random partitions."""

    def __new__(
        cls,
        evidence: Evidence,
        *,
        partitions: int,
        seed: int,
        world: str,
        weighting: str,
        min_side: float,
        refine_equal: bool,
        concentration: int,
        wave: int,
        reach: float | None = None,
        audit: float = 0.0,
        max_calls: int | None = None,
        survey: list[int] | None = None,
        shown: list[int] | None = None,
        balanced: list[int] | None = None,
        trees: int = 0,
    ) -> Search: ...
    @property
    def is_done(self) -> bool: ...
    @property
    def n_calls(self) -> int: ...
    @property
    def progress(self) -> float: ...
    def counts(self) -> _SearchCounts: ...
    def propose(self, capacity: int) -> Batch | None: ...
    def submit(self, batch_id: int, is_passing: NDArray[np.bool_], scores: NDArray[np.float32]) -> None: ...
    def heatmap(self) -> NDArray[np.float32]: ...
    def sketch(self) -> NDArray[np.float32]: ...
    def surveyed(self) -> NDArray[np.float32] | None: ...
    def partitions(self) -> NDArray[np.float32]: ...
    def trees(self) -> list[_Tree]: ...

@final
class Extraction:
    """The extraction of a minimal sufficient explanation."""

    def __new__(
        cls,
        evidence: Evidence,
        heatmap: NDArray[np.float32],
        *,
        cells: int,
        min_score: float,
    ) -> Extraction: ...
    @property
    def is_done(self) -> bool: ...
    @property
    def stage(self) -> str: ...
    @property
    def n_calls(self) -> int: ...
    @property
    def grid(self) -> tuple[int, int]: ...
    def propose(self, capacity: int) -> Batch | None: ...
    def submit(self, batch_id: int, is_passing: NDArray[np.bool_], scores: NDArray[np.float32]) -> None: ...
    def kept(self) -> NDArray[np.bool_]: ...
    def grown(self) -> NDArray[np.bool_] | None: ...
    def ranks(self) -> NDArray[np.int64]: ...

@final
class Nested:
    """
    The extraction of sufficient sets without holes within each other: one a floor of the score, outermost first.

    `cells` are blocks a side of the lattice; or the lines of its rows and of its columns, from 0 to the sides.
    """

    def __new__(
        cls,
        evidence: Evidence,
        heatmap: NDArray[np.float32],
        *,
        cells: int | tuple[Sequence[int], Sequence[int]],
        floors: list[float],
    ) -> Nested: ...
    @property
    def is_done(self) -> bool: ...
    @property
    def stage(self) -> str: ...
    @property
    def n_calls(self) -> int: ...
    @property
    def grid(self) -> tuple[int, int]: ...
    @property
    def level(self) -> int: ...
    def propose(self, capacity: int) -> Batch | None: ...
    def submit(self, batch_id: int, is_passing: NDArray[np.bool_], scores: NDArray[np.float32]) -> None: ...
    def levels(self) -> list[tuple[NDArray[np.bool_], bool]]: ...
    def grown(self) -> NDArray[np.bool_] | None: ...

@final
class Minimal:
    """
    The search for a minimal set of which something is demanded.

    `shown` are the least and the most score of the label when the set alone is shown; a least of 0 asks for the label
    alone. `hidden` is what has to become of the label when the set is hidden, "lost" or "given". `base` are pixels to
    begin with. Of the blocks of each set in `taken` at most the share `overlap` is used again. With `is_surveyed`
    squares are tried where the heatmap's ranking leads nowhere. `cells` is as for `Nested`.
    """

    def __new__(
        cls,
        evidence: Evidence,
        heatmap: NDArray[np.float32],
        *,
        cells: int | tuple[Sequence[int], Sequence[int]],
        shown: tuple[float, float] | None = None,
        hidden: str | None = None,
        base: NDArray[np.bool_] | None = None,
        taken: list[NDArray[np.bool_]] = ...,
        overlap: float = 0.0,
        is_surveyed: bool = False,
    ) -> Minimal: ...
    @property
    def is_done(self) -> bool: ...
    @property
    def stage(self) -> str: ...
    @property
    def n_calls(self) -> int: ...
    @property
    def grid(self) -> tuple[int, int]: ...
    def propose(self, capacity: int) -> Batch | None: ...
    def submit(self, batch_id: int, is_passing: NDArray[np.bool_], scores: NDArray[np.float32]) -> None: ...
    def kept(self) -> NDArray[np.bool_] | None: ...
    def grown(self) -> NDArray[np.bool_] | None: ...

@final
class Halves:
    """What matters outside of an explanation: halves of the cells of a lattice, with it shown, and with it masked."""

    def __new__(cls, evidence: Evidence, kept: NDArray[np.bool_], *, side: int, is_both: bool) -> Halves: ...
    @property
    def is_done(self) -> bool: ...
    @property
    def n_calls(self) -> int: ...
    def propose(self, capacity: int) -> Batch | None: ...
    def submit(self, batch_id: int, is_passing: NDArray[np.bool_], scores: NDArray[np.float32]) -> None: ...
    def heatmap(self) -> NDArray[np.float32]: ...

@final
class Slots:
    """What the slots of a buffer show."""

@final
class Renderer:
    """Draws masked images into buffers."""

    def __new__(
        cls,
        image: NDArray[np.uint8],
        baseline: NDArray[np.uint8],
        *,
        height: int,
        width: int,
        planes: int,
        pixel_bytes: int,
        threads: int,
    ) -> Renderer: ...
    def slots(self, buffer: NDArray[np.uint8]) -> Slots: ...
    def render(self, batch: Batch, slots: Slots) -> None: ...

@final
class Scoring:
    """How a model's output becomes scores."""

    def __new__(cls, activation: str, *, is_binary: bool) -> Scoring: ...
    def apply(self, output: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def score_and_rank(
        self, output: NDArray[np.float32], label: int
    ) -> tuple[NDArray[np.float32], NDArray[np.uint32], int]: ...

@final
class SmoothMasks:
    """Makes the smooth masks of extremal perturbations (Fong 2019), height x width, from grids, rows x columns."""

    def __new__(cls, size: tuple[int, int], *, step: int, sigma: float) -> SmoothMasks: ...
    @property
    def grid(self) -> tuple[int, int]: ...
    @property
    def full(self) -> tuple[int, int]: ...
    @property
    def margin(self) -> int: ...
    def make(self, grids: NDArray[np.float32]) -> Spread: ...
    def back(self, spread: Spread, slopes: NDArray[np.float32]) -> NDArray[np.float32]: ...

@final
class Spread:
    """Masks (n, height, width), and what their slopes are computed from."""

    @property
    def masks(self) -> NDArray[np.float32]: ...

@final
class Blurred:
    """An image at several levels of blur (levels, channels, height, width), the strongest first."""

    def __new__(cls, levels: NDArray[np.float32]) -> Blurred: ...
    def shown(self, masks: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def back(self, masks: NDArray[np.float32], slopes: NDArray[np.float32]) -> NDArray[np.float32]: ...

def area_slopes(masks: NDArray[np.float32], n_hidden: list[int], weight: float) -> NDArray[np.float32]:
    """Return the slopes of how far sorted masks are from ones of 0, and 1 from the rank `n_hidden` on."""

def contoured(
    levels: list[NDArray[np.bool_]], inside: NDArray[np.float32], outside: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Draw a map that is at least `0.4 + 0.6 * j / len(levels)` exactly in set j of `levels`, outermost first."""

def smoothed(heat: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Smooth a map by a Gaussian of `sigma` pixels; beyond its borders it goes on as its mirror image."""

def block_means(heat: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """Return the mean of a map over each block of a lattice of `cells` a side, at each of the block's pixels."""
