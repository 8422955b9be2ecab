"""The options of the search and of the extraction, with named sets of values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from dccausal._shared.checks import finite_number, one_of, whole_number
from dccausal._shared.text import shown
from dccausal.errors import OptionError

World = Literal["intact", "contingency", "sufficient", "both"]
Weighting = Literal["shares", "leaf", "score"]
SharedEvidence = Literal["own", "shared"]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """
    How an explanation is searched for. The values here are the paper's; ``PROFILES`` has others by name.

    Attributes
    ----------
    partitions
        Number of random partitions of the image, 1 to 4096 (paper: 50).
    world
        What is masked while a superpixel is refined, besides its own pieces: nothing ("intact", the paper);
        its contingency ("contingency"); all but a smallest set of superpixels that suffices, whose members are
        refined ("sufficient"); or the last two by turns, one to two ("both").
    weighting
        How responsibility reaches the pixels: "shares" of the image's weight handed down (the paper); the
        responsibility of the smallest superpixel around a pixel ("leaf"); the same times the share of the
        score that is at stake there ("score"; as "leaf" where there are no scores).
    min_side
        A superpixel lower or narrower than this share of the image is not refined; above 0, at most 1
        (paper: 1/10).
    refine_equal
        Whether superpixels are refined even where all four are equally responsible (paper: False).
    concentration
        Cuts are distributed as Beta(a, a) over a side with this whole number a, 1 to 64 (paper: 1, uniform).
    grid
        Blocks a side of the finest lattice over which the explanation is minimal, 1 to 256.
    evidence
        "own": every question is asked, unless the same pixels were masked before (paper). "shared": verdicts
        follow from those of other partitions too, as masking more is taken never to restore a label.
    reach
        With shared evidence, the share of the image by which two sets of masked pixels may differ for one to
        answer for the other, 0 to 1. At 0 nothing is inferred but that a failing set rules out the
        contingencies around it.
    audit
        With shared evidence, the share of the verdicts inferred that are asked all the same, 0 to 1. Where too
        many of them turn out wrong, the reach is halved.
    survey
        Number of lattices that are surveyed, 0 to 8 (paper: 0): every superpixel of the lattice is masked alone and
        shown alone, and what the score loses and gains is half of the heatmap. The first lattice has four
        superpixels a side, each further one has one more: 32, 82, 154, 252, ... model calls.
    reestimate
        How much of what the extraction finds is added to the heatmap, as a share of its peak, 0 to 1 (paper:
        0): all of it on the explanation, less on what was dropped on the way, the less the earlier.
    wave
        Partitions that are grown together, 1 to 4096; with shared evidence, the next ones profit from these.

    Raises
    ------
    OptionError
        If a value is out of its range.

    """

    partitions: int = 50
    world: World = "intact"
    weighting: Weighting = "shares"
    min_side: float = 0.1
    refine_equal: bool = False
    concentration: int = 1
    grid: int = 28
    evidence: SharedEvidence = "own"
    reach: float = 0.5
    audit: float = 0.03
    wave: int = 4096
    survey: int = 0
    reestimate: float = 0.0

    def __post_init__(self) -> None:
        """Check every value."""
        whole_number("partitions", self.partitions, 1, 4096)
        one_of("world", self.world, ("intact", "contingency", "sufficient", "both"))
        one_of("weighting", self.weighting, ("shares", "leaf", "score"))
        share = finite_number("min_side", self.min_side)
        if not 0 < share <= 1:
            raise OptionError(f"min_side is {share}; a share of the image above 0 and at most 1 is needed")
        if not isinstance(self.refine_equal, bool):
            raise OptionError(f"refine_equal is {self.refine_equal!r}; True or False is needed")
        whole_number("concentration", self.concentration, 1, 64)
        whole_number("grid", self.grid, 1, 256)
        one_of("evidence", self.evidence, ("own", "shared"))
        for name in ("reach", "audit", "reestimate"):
            value = finite_number(name, getattr(self, name))
            if not 0 <= value <= 1:
                raise OptionError(f"{name} is {value}; a share from 0 to 1 is needed")
        whole_number("wave", self.wave, 1, 4096)
        whole_number("survey", self.survey, 0, 8)

    @classmethod
    def of(cls, profile: Profile | str, **changes: Any) -> Profile:
        """
        Return a profile, given itself or by name, with every change that is not None.

        Raises
        ------
        OptionError
            If there is no such profile, or a value is out of its range.

        """
        if isinstance(profile, str):
            if profile not in PROFILES:
                raise OptionError(f"profile is {shown(profile)}; one of {', '.join(PROFILES)} is needed")
            profile = PROFILES[profile]
        if not isinstance(profile, Profile):
            raise OptionError(
                f"profile is {shown(profile)}; one of {', '.join(PROFILES)} or a Profile is needed"
            )
        return replace(profile, **{name: value for name, value in changes.items() if value is not None})

    def surveyed_sides(self) -> list[int]:
        """Return the superpixels a side of each lattice that is surveyed."""
        return list(range(_COARSEST, _COARSEST + self.survey))

    def to_dict(self) -> dict[str, Any]:
        """Return the values as plain data."""
        return asdict(self)


# Superpixels a side of the first lattice of a survey.
_COARSEST = 4

# A better map for a tenth of the paper's calls, as measured: see DESIGN.md.
_DEFAULT = Profile(
    partitions=6,
    world="both",
    weighting="score",
    min_side=0.25,
    refine_equal=True,
    concentration=4,
    grid=32,
    evidence="shared",
    wave=3,
    survey=2,
)
PROFILES = {
    # Sections 3 and 5 of the paper, to the letter; the grid, where the paper has single pixels, is ours.
    "paper": Profile(),
    "default": _DEFAULT,
    # Fewer partitions, not as deep, a coarser survey, and larger blocks.
    "fast": replace(_DEFAULT, partitions=4, min_side=0.4, survey=1, grid=26),
}
