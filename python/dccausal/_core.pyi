"""The compiled core. Arrays go in and out by value; every class may be used from any thread."""

from typing import TypedDict, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Batch",
    "Canvas",
    "Evidence",
    "Extraction",
    "Renderer",
    "Scoring",
    "Search",
    "__version__",
    "is_debug_build",
]

__version__: str
is_debug_build: bool

class _SearchCounts(TypedDict):
    partitions: int
    refinements: int
    verdicts: int
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
    ) -> Evidence: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
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
class Canvas:
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
    def canvas(self, buffer: NDArray[np.uint8]) -> Canvas: ...
    def render(self, batch: Batch, canvas: Canvas) -> None: ...

@final
class Scoring:
    """How a model's output becomes scores."""

    def __new__(cls, activation: str, *, is_binary: bool) -> Scoring: ...
    def apply(self, output: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def score_and_rank(
        self, output: NDArray[np.float32], label: int
    ) -> tuple[NDArray[np.float32], NDArray[np.uint32], int]: ...
