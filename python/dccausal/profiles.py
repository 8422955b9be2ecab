"""The options of the search and of the extraction, with named sets of values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from dccausal._checks import finite_number, one_of, whole_number
from dccausal.errors import OptionError

World = Literal["intact", "contingency"]
Weighting = Literal["shares", "leaf"]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """
    How an explanation is searched for. The values here are the paper's; ``PROFILES`` has others by name.

    Attributes
    ----------
    partitions
        Number of random partitions of the image, 1 to 4096 (paper: 50).
    world
        What is masked while a superpixel is refined, besides its own pieces: nothing ("intact", the paper) or
        its contingency ("contingency").
    weighting
        How responsibility reaches the pixels: "shares" of the image's weight handed down (the paper), or the
        responsibility of the smallest superpixel around a pixel ("leaf").
    min_side
        A superpixel lower or narrower than this share of the image is not refined; above 0, at most 1
        (paper: 1/10).
    refine_equal
        Whether superpixels are refined even where all four are equally responsible (paper: False).
    concentration
        Cuts are distributed as Beta(a, a) over a side with this whole number a, 1 to 64 (paper: 1, uniform).
    grid
        Blocks a side of the finest lattice over which the explanation is minimal, 1 to 256.

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

    def __post_init__(self) -> None:
        """Check every value."""
        whole_number("partitions", self.partitions, 1, 4096)
        one_of("world", self.world, ("intact", "contingency"))
        one_of("weighting", self.weighting, ("shares", "leaf"))
        share = finite_number("min_side", self.min_side)
        if not 0 < share <= 1:
            raise OptionError(f"min_side is {share}; a share of the image above 0 and at most 1 is needed")
        if not isinstance(self.refine_equal, bool):
            raise OptionError(f"refine_equal is {self.refine_equal!r}; True or False is needed")
        whole_number("concentration", self.concentration, 1, 64)
        whole_number("grid", self.grid, 1, 256)

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
                raise OptionError(f"profile is {profile!r}; one of {', '.join(PROFILES)} is needed")
            profile = PROFILES[profile]
        return replace(profile, **{name: value for name, value in changes.items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        """Return the values as plain data."""
        return asdict(self)


PROFILES = {
    # Sections 3 and 5 of the paper, to the letter; the grid, where the paper has single pixels, is ours.
    "paper": Profile(),
    # A better map for a third of the calls, as measured: see DESIGN.md.
    "default": Profile(
        partitions=20,
        world="contingency",
        weighting="leaf",
        min_side=0.25,
        refine_equal=True,
        concentration=4,
    ),
    "quick": Profile(
        partitions=8, world="contingency", weighting="leaf", min_side=0.25, refine_equal=True, concentration=4
    ),
}
