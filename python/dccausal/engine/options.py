"""The options of ``explain``: what each may be, in one place; the rest of the project derives from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict

from dccausal._shared.text import shown
from dccausal.engine.option import Meaning, check_options, meanings, option
from dccausal.engine.profiles import Beside, Guide, Profile, SharedEvidence, Weighting, World
from dccausal.engine.progress import Progress
from dccausal.errors import OptionError
from dccausal.explanation.kind_names import KINDS, KindName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from dccausal.inputs.baseline import Baselines
    from dccausal.targets import Subject

    Photo = str | os.PathLike[str] | Image.Image | NDArray[np.uint8] | bytes

_MAX_SEED = (1 << 64) - 1
# Each is some hundred superpixels in result.json, and nobody looks at more.
MAX_TREES = 16
# With fewer calls for a baseline nothing useful comes out.
_LEAST_CALLS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Options:
    """
    The options of ``explain``, checked; the sentences on each are in its documentation.

    Attributes
    ----------
    settings
        The profile with all that replaces its values.
    is_grid_given
        Whether somebody chose the lattice, which is else made no finer than the image allows.

    Raises
    ------
    OptionError
        If a value is out of its range.

    """

    target: int | str | Subject | None = option(
        None,
        Meaning(
            str,
            "Label to explain, by name or index. By default the top label.",
            metavar="LABEL",
            short="-t",
        ),
    )
    top_k: int | None = option(
        None,
        Meaning(
            int,
            "The label counts as given if it is among this many best. By default 1, or the target's own rank.",
            1,
            metavar="N",
        ),
    )
    kind: KindName = option(
        "sufficient",
        Meaning(
            str,
            "What is asked beside what suffices: several, contrastive, necessary, why-not, complete.",
            choices=KINDS,
            metavar="KIND",
        ),
    )
    other: int | str | None = option(
        None,
        Meaning(str, "With kind why-not: the label to ask for, by name or index.", metavar="LABEL"),
    )
    n: int | None = option(
        None,
        Meaning(int, "With kind several: sufficient sets to look for. By default 3.", 2, 8, metavar="N"),
    )
    overlap: float | None = option(
        None,
        Meaning(
            float,
            "With kind several: the share of an earlier set that another may use again. By default 0.",
            0,
            0.9,
            metavar="SHARE",
        ),
    )
    within: float | None = option(
        None,
        Meaning(
            float,
            "With kind complete: the share of the photograph's score by which the set's may differ. By default 0.05.",
            0,
            1,
            metavar="SHARE",
        ),
    )
    profile: Profile | str = option(
        "default",
        Meaning(
            str,
            "Named set of the method's options below: default, paper, fast.",
            metavar="NAME",
        ),
    )
    seed: int = option(0, Meaning(int, "Seed of the random partitions.", 0, _MAX_SEED, metavar="N"))
    trees: int = option(
        0,
        Meaning(
            int,
            "Record the causal trees of this many partitions, for the report.",
            0,
            MAX_TREES,
            metavar="N",
        ),
    )
    min_confidence: float | None = option(
        None,
        Meaning(
            float,
            "The explanation's score must be at least this share of the photograph's. By default half of it, where "
            "there are scores; nothing by the profile paper.",
            0,
            1,
            metavar="SHARE",
        ),
    )
    baseline: Baselines = option(
        "grey",
        Meaning(
            str,
            "What masked pixels are replaced by: a colour (grey, #rrggbb, 124,116,104), blur, or an image file; or "
            "several (grey,black,blur), beside each of which the label has to stay.",
            metavar="COLOUR|FILE",
        ),
    )
    max_calls: int | None = option(
        None,
        Meaning(
            int,
            "Stop after this many model calls with the best so far.",
            _LEAST_CALLS,
            metavar="N",
            panel="Running",
        ),
    )
    threads: int | None = option(
        None,
        Meaning(
            int,
            "By default all cores that may be used.",
            1,
            1024,
            metavar="N",
            panel="Running",
            decides=False,
        ),
    )
    in_flight: int | None = option(
        None,
        Meaning(int, "Batches in the making at once.", 1, 64, metavar="N", panel="Running", decides=False),
    )
    batch_size: int | None = option(
        None,
        Meaning(
            int,
            "Masked images a run. By default it suits the device.",
            1,
            65536,
            metavar="N",
            panel="Running",
            decides=False,
        ),
    )
    progress: Callable[[Progress], object] | None = None
    on_interrupt: Literal["return", "raise"] = option(
        "return",
        Meaning(
            str,
            "What Ctrl-C does.",
            choices=("return", "raise"),
            decides=False,
            is_flag=False,
        ),
    )
    settings: Profile
    is_grid_given: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        check_options(self)
        self._check_kind()
        self._check_baselines()
        if self.progress is not None and not callable(self.progress):
            raise OptionError(f"progress is {shown(self.progress)}; something to call is needed")

    def _check_kind(self) -> None:
        for name, kind in _OF_KINDS.items():
            value = getattr(self, name)
            if value is not None and self.kind != kind:
                raise OptionError(
                    f"{name} is {shown(value)}, but kind is {self.kind}; kind {kind} is needed for it"
                )
        if self.kind == "why-not" and self.other is None:
            raise OptionError("kind is why-not, but other is not given; the label to ask for is needed")

    def _check_baselines(self) -> None:
        """Refuse what several baselines do not go with: a kind, or a budget that their checks would use up."""
        from dccausal.inputs.baseline import split_baselines  # NumPy, which the help does without

        n_baselines = len(split_baselines(self.baseline))
        least = _LEAST_CALLS * n_baselines
        if self.max_calls is not None and self.max_calls < least:
            raise OptionError(
                f"max_calls is {self.max_calls}; with {n_baselines} baselines at least {least} are needed"
            )

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """
        Return the options given by name; those of a profile replace its values where they are not None.

        Raises
        ------
        OptionError
            If a value is out of its range.
        TypeError
            If there is no such option.

        """
        unknown = given.keys() - set(OPTION_NAMES)
        if unknown:
            raise TypeError(f"unexpected options: {', '.join(sorted(unknown))}")
        own = {name: value for name, value in given.items() if name not in SETTING_NAMES}
        changes = {name: value for name, value in given.items() if name in SETTING_NAMES}
        profile = given.get("profile", "default")
        is_grid_given = changes.get("grid") is not None or not isinstance(profile, str)
        return cls(**own, settings=Profile.of(profile, **changes), is_grid_given=is_grid_given)


_DERIVED = ("settings", "is_grid_given")
# Options that go with one kind alone.
_OF_KINDS = {"other": "why-not", "n": "several", "overlap": "several", "within": "complete"}
_PANELS = ("Explanation", "Method (experts)", "Running")
SETTING_NAMES = tuple(field.name for field in fields(Profile))
OPTION_NAMES = (*(field.name for field in fields(Options) if field.name not in _DERIVED), *SETTING_NAMES)


def defaults() -> dict[str, Any]:
    """Return the default of every option; None leaves a setting to the profile."""
    own = {field.name: field.default for field in fields(Options) if field.name not in _DERIVED}
    return {**own, **dict.fromkeys(SETTING_NAMES)}


def flags() -> list[tuple[str, Any, Meaning]]:
    """Return name, default and meaning of what the command line has, in the order of its help."""
    own = [(name, default, meaning) for name, default, meaning in meanings(Options) if meaning.is_flag]
    settings = [(name, None, meaning) for name, _, meaning in meanings(Profile)]
    return sorted([*own, *settings], key=lambda option: _PANELS.index(option[2].panel))


class GivenOptions(TypedDict, total=False):
    """The options of ``explain`` as keywords of other functions, for those who check types."""

    target: int | str | Subject | None
    top_k: int | None
    kind: KindName
    other: int | str | None
    n: int | None
    overlap: float | None
    within: float | None
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
    shown: int | None
    balanced: int | None
    guide: Guide | None
    levels: Sequence[float] | str | None
    halves: int | None
    beside: Beside | None
    reestimate: float | None
    trees: int
    min_confidence: float | None
    baseline: Baselines
    max_calls: int | None
    threads: int | None
    in_flight: int | None
    batch_size: int | None
    progress: Callable[[Progress], object] | None
    on_interrupt: Literal["return", "raise"]
