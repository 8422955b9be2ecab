"""The options of an explanation."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number, one_of, whole_number
from dccausal._shared.text import shown
from dccausal.engine.profiles import Profile, SharedEvidence, Weighting, World
from dccausal.engine.progress import Progress
from dccausal.errors import OptionError

if TYPE_CHECKING:
    from PIL import Image

    from dccausal.inputs.baseline import Baseline

    Photo = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]


_MAX_COUNT = (1 << 63) - 1  # what the core counts with
_MIN_CALLS = 20


_MAX_SEED = (1 << 64) - 1


# Each is some hundred superpixels in result.json, and nobody looks at more.
MAX_TREES = 16


class Options(TypedDict, total=False):
    """The options of ``explain``, which says what they mean."""

    target: int | str | None
    top_k: int | None
    profile: Profile | str
    partitions: int | None
    seed: int
    world: World | None
    weighting: Weighting | None
    min_side: float | None
    refine_equal: bool | None
    concentration: int | None
    grid: int | None
    evidence: SharedEvidence | None
    reach: float | None
    audit: float | None
    wave: int | None
    survey: int | None
    reestimate: float | None
    trees: int
    min_confidence: float
    baseline: Baseline
    max_calls: int | None
    threads: int | None
    in_flight: int | None
    batch_size: int | None
    progress: Callable[[Progress], object] | None
    on_interrupt: Literal["return", "raise"]


def _check(options: Options) -> None:
    whole_number("seed", options["seed"], 0, _MAX_SEED)
    whole_number("trees", options["trees"], 0, MAX_TREES)
    if options["top_k"] is not None:
        _counted("top_k", options["top_k"], 1)
    min_confidence = options["min_confidence"]
    if not 0 <= finite_number("min_confidence", min_confidence) <= 1:
        raise OptionError(f"min_confidence is {min_confidence}; a share from 0 to 1 is needed")
    if options["max_calls"] is not None:
        _counted("max_calls", options["max_calls"], _MIN_CALLS)
    if options["progress"] is not None and not callable(options["progress"]):
        raise OptionError(f"progress is {shown(options['progress'])}; something to call is needed")
    one_of("on_interrupt", options["on_interrupt"], ("return", "raise"))
    if options["in_flight"] is not None:
        whole_number("in_flight", options["in_flight"], 1, 64)
    if options["batch_size"] is not None:
        whole_number("batch_size", options["batch_size"], 1, 65536)


def _counted(what: str, given: Any, low: int) -> None:
    whole_number(what, given, low)
    whole_number(what, given, low, _MAX_COUNT)
