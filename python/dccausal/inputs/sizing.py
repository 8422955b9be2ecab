"""How large the model's image is, where that depends on the photograph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Rule = Literal["fixed", "photograph", "letterbox", "edges"]


@dataclass(frozen=True)
class Sizing:
    """
    The (height, width) of the model's image, from the photograph's.

    Attributes
    ----------
    rule
        "fixed": always ``size``. "photograph": the photograph's own, at most ``longest`` on the longer side.
        "letterbox": the photograph fitted into ``size``, then padded to multiples of ``multiple`` (Ultralytics'
        minimum rectangle). "edges": the shorter side becomes ``shortest``, unless the longer one would be more than
        ``longest``; both are then rounded down to ``multiple`` (DETR, YOLOS), or up (MaskFormer).
    size
        (height, width); for "fixed" and "letterbox".
    multiple, shortest, longest
        In pixels.
    is_rounded_up
        Whether "edges" rounds up.

    """

    rule: Rule
    size: tuple[int, int] = (0, 0)
    multiple: int = 1
    shortest: int = 0
    longest: int | None = None
    is_rounded_up: bool = False

    @property
    def is_fixed(self) -> bool:
        """Whether every photograph gets the same size."""
        return self.rule == "fixed"

    def of(self, photo: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) for a photograph (width, height)."""
        width, height = photo
        if self.rule == "fixed":
            return self.size
        if self.rule == "letterbox":
            shrink = max(width / self.size[1], height / self.size[0])
            sides = (round(height / shrink), round(width / shrink))
            padded = [
                side + (whole - side) % self.multiple for side, whole in zip(sides, self.size, strict=True)
            ]
            return padded[0], padded[1]
        if self.rule == "edges":
            return self._edges(height, width)
        factor = 1.0 if self.longest is None else min(1.0, self.longest / max(photo))
        return max(2, round(height * factor)), max(2, round(width * factor))

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain values."""
        return {
            "rule": self.rule,
            "size": list(self.size),
            "multiple": self.multiple,
            "shortest": self.shortest,
            "longest": self.longest,
            "is_rounded_up": self.is_rounded_up,
        }

    def words(self) -> str:
        """Return the rule as a sentence."""
        height, width = self.size
        if self.rule == "fixed":
            return f"{width} x {height}"
        if self.rule == "letterbox":
            return f"within {width} x {height}, sides multiples of {self.multiple}"
        if self.rule == "edges":
            most = "" if self.longest is None else f", the longer at most {self.longest}"
            whole = "" if self.multiple == 1 else f", multiples of {self.multiple}"
            return f"the shorter side {self.shortest}{most}{whole}"
        return "as large as the photograph" + ("" if self.longest is None else f", at most {self.longest}")

    def _edges(self, height: int, width: int) -> tuple[int, int]:
        """Round as transformers does, by a pixel."""
        short, exact = self.shortest, float(self.shortest)
        low, high = min(height, width), max(height, width)
        if self.longest is not None and high / low * short > self.longest:
            exact = self.longest * low / high
            short = round(exact)
        if low == short:
            sides = height, width
        elif width < height:
            sides = int(exact * height / width), short
        else:
            sides = short, int(exact * width / height)
        more = self.multiple - 1 if self.is_rounded_up else 0
        tall, wide = (max(self.multiple, (side + more) // self.multiple * self.multiple) for side in sides)
        return tall, wide
