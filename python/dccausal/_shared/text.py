"""Text for people: what is safe to print, numbers and times in words."""

from __future__ import annotations


def score_text(score: float) -> str:
    """Return a score with three significant digits."""
    return f"{score:#.3g}" if abs(score) < 1 else f"{score:.3f}"


def printable(text: str) -> str:
    """Return a text without what could steer a terminal; bytes that are no text become "?"."""
    return "".join(character if character.isprintable() else "?" for character in text)


def duration(seconds: float) -> str:
    """Return a time in words: "12 s", "3 min 05 s", "2 h 10 min"."""
    whole = round(seconds)
    minutes, hours = whole // 60, whole // 3600
    if hours:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"
