"""The options of the search and of the extraction, with named sets of values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from dccausal._shared.text import shown
from dccausal.engine.option import Meaning, check_options, option
from dccausal.errors import OptionError

World = Literal["intact", "contingency", "sufficient", "both"]
Weighting = Literal["shares", "leaf", "score"]
SharedEvidence = Literal["own", "shared"]
Beside = Literal["shown", "both"]
Guide = Literal["none", "gradient"]

_EXPERTS: Literal["Method (experts)"] = "Method (experts)"


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
    survey, shown
        Number of lattices of which every superpixel is masked alone, and of which every one is shown alone, 0 to
        8 (paper: 0). What the score loses and gains is a map that owes nothing to chance. The first lattice that
        is masked has four superpixels a side, the first that is shown has three, each further one has one more.
    balanced
        Superpixels a side of a lattice of which balanced halves are shown in the survey, 0 for none (paper: 0) or 2
        to 15. Each superpixel is in half of them; its effect is an estimate of its Banzhaf value.
    guide
        What sets grow from: the survey ("none", the paper), or its halves and Grad-CAM of the model ("gradient"), which
        has to be an ``OnnxClassifier``. Nothing is masked or shown alone then. What passes is asked all the same.
    levels
        Shares of the image's score, falling (paper: none). A set is extracted for each, each inside the one
        before, on a lattice of ``grid`` blocks, with few pieces and without holes. Without levels there is one
        set, by the score that ``min_confidence`` asks for.
    halves, beside
        Superpixels a side of a lattice of which balanced halves are shown, 0 for none (paper: 0), beside the
        outermost set ("shown"), or beside it and without it ("both"). They tell what counts outside of the sets.
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

    partitions: int = option(
        50, Meaning(int, "Number of random partitions of the image.", 1, 4096, metavar="N", panel=_EXPERTS)
    )
    world: World = option(
        "intact",
        Meaning(
            str,
            "What else is masked while a part is refined: intact (nothing), contingency, sufficient, or both.",
            choices=get_args(World),
            metavar="WORLD",
            panel=_EXPERTS,
        ),
    )
    weighting: Weighting = option(
        "shares",
        Meaning(
            str,
            "How responsibility reaches the pixels: shares, leaf or score.",
            choices=get_args(Weighting),
            metavar="NAME",
            panel=_EXPERTS,
        ),
    )
    min_side: float = option(
        0.1,
        Meaning(
            float,
            "Parts narrower than this share of the image are not refined.",
            0,
            1,
            is_above=True,
            of="of the image",
            metavar="SHARE",
            panel=_EXPERTS,
        ),
    )
    refine_equal: bool = option(
        default=False,
        meaning=Meaning(
            bool, "Whether parts are refined even where all four are equally responsible.", panel=_EXPERTS
        ),
    )
    concentration: int = option(
        1,
        Meaning(
            int,
            "Cuts are Beta(a, a) over a side: 1 is uniform, more is central.",
            1,
            64,
            metavar="A",
            panel=_EXPERTS,
        ),
    )
    grid: int = option(
        28,
        Meaning(
            int,
            "Blocks a side of the lattice on which the explanation is minimal.",
            1,
            256,
            metavar="N",
            panel=_EXPERTS,
        ),
    )
    evidence: SharedEvidence = option(
        "own",
        Meaning(
            str,
            "own: each question is asked. shared: verdicts follow from those of other partitions too.",
            choices=get_args(SharedEvidence),
            metavar="NAME",
            panel=_EXPERTS,
        ),
    )
    reach: float = option(
        0.5,
        Meaning(
            float,
            "With shared evidence, the share of the image by which two sets of masked pixels may differ.",
            0,
            1,
            metavar="SHARE",
            panel=_EXPERTS,
        ),
    )
    audit: float = option(
        0.03,
        Meaning(
            float,
            "With shared evidence, the share of inferred verdicts that are asked all the same.",
            0,
            1,
            metavar="SHARE",
            panel=_EXPERTS,
        ),
    )
    wave: int = option(
        4096, Meaning(int, "Partitions that are grown together.", 1, 4096, metavar="N", panel=_EXPERTS)
    )
    survey: int = option(
        0,
        Meaning(
            int,
            "Lattices of which each part is masked alone; 0 for none.",
            0,
            8,
            metavar="N",
            panel=_EXPERTS,
        ),
    )
    shown: int = option(
        0,
        Meaning(
            int,
            "Lattices of which each part is shown alone; 0 for none.",
            0,
            8,
            metavar="N",
            panel=_EXPERTS,
        ),
    )
    balanced: int = option(
        0,
        Meaning(
            int,
            "Parts a side of the lattice of which halves are shown in the survey; 0 for none.",
            0,
            15,
            metavar="N",
            panel=_EXPERTS,
        ),
    )
    guide: Guide = option(
        "none",
        Meaning(
            str,
            "Where to look first: none (the survey says so), or gradient (its halves, and Grad-CAM of the model).",
            choices=get_args(Guide),
            metavar="NAME",
            panel=_EXPERTS,
        ),
    )
    levels: tuple[float, ...] = option(
        (),
        Meaning(
            str,
            "Shares of the score of the nested sets, such as 0.9,0.5,0; none for one set on the finest lattice.",
            metavar="SHARES",
            panel=_EXPERTS,
        ),
    )
    halves: int = option(
        0,
        Meaning(
            int,
            "Parts a side of the lattice of which halves are shown beside the outermost set; 0 for none.",
            0,
            11,
            metavar="N",
            panel=_EXPERTS,
        ),
    )
    beside: Beside = option(
        "both",
        Meaning(
            str,
            "Beside what halves are shown: shown (the outermost set), or both (it, and nothing).",
            choices=get_args(Beside),
            metavar="NAME",
            panel=_EXPERTS,
        ),
    )
    reestimate: float = option(
        0.0,
        Meaning(
            float,
            "How much of what the extraction finds is added to the heatmap, as a share of its peak.",
            0,
            1,
            metavar="SHARE",
            panel=_EXPERTS,
        ),
    )

    def __post_init__(self) -> None:
        """Check every value."""
        object.__setattr__(self, "levels", read_levels(self.levels))
        check_options(self)
        if self.balanced == 1:
            raise OptionError("balanced is 1; 0, or a whole number from 2 to 15, is needed")

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
        """Return the superpixels a side of each lattice of which every one is masked alone."""
        return list(range(_COARSEST, _COARSEST + self.survey)) if self.guide == "none" else []

    def shown_sides(self) -> list[int]:
        """Return the superpixels a side of each lattice of which every one is shown alone."""
        return list(range(_COARSEST - 1, _COARSEST - 1 + self.shown)) if self.guide == "none" else []

    def to_dict(self) -> dict[str, Any]:
        """Return the values as plain data."""
        return asdict(self)


def read_levels(given: Any) -> tuple[float, ...]:
    """
    Return shares of the score, falling, from numbers or from a text such as "0.9,0.5,0"; "none" is none.

    Raises
    ------
    OptionError
        If they are no different numbers from 0 to 1, at most eight.

    """
    needed = "at most 8 different numbers from 0 to 1, such as 0.9,0.5,0, or none, are needed"
    try:
        parts = given.split(",") if isinstance(given, str) else list(given)
        levels = () if given == "none" else tuple(float(part) for part in parts)
    except (TypeError, ValueError) as error:
        raise OptionError(f"levels is {shown(given)}; {needed}") from error
    if len(levels) > _MOST_LEVELS or len({*levels}) < len(levels) or not all(0 <= one <= 1 for one in levels):
        raise OptionError(f"levels is {shown(given)}; {needed}")
    return tuple(sorted(levels, reverse=True))


_MOST_LEVELS = 8
# Superpixels a side of the first lattice of which each is masked alone; those shown alone begin one coarser.
_COARSEST = 4

# What convinces people who look at it, as measured and looked at: see DESIGN.md.
_DEFAULT = Profile(
    partitions=1,
    world="both",
    weighting="score",
    min_side=0.5,
    refine_equal=True,
    concentration=4,
    grid=14,
    evidence="shared",
    wave=1,
    survey=3,
    shown=2,
    balanced=7,
    levels=(0.9, 0.5, 0.0),
    halves=5,
)
PROFILES = {
    # Sections 3 and 5 of the paper, to the letter; the grid, where the paper has single pixels, is ours.
    "paper": Profile(),
    "default": _DEFAULT,
    # A coarser survey, larger blocks, and fewer halves.
    "fast": replace(_DEFAULT, survey=2, shown=1, balanced=0, grid=12, halves=3, beside="shown"),
}
