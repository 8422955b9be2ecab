"""Text for people: what is safe to print, numbers and times in words."""

from __future__ import annotations


def score_text(score: float) -> str:
    """Return a score with three significant digits."""
    return f"{score:#.3g}" if abs(score) < 1 else f"{score:.3f}"


def brief_score(score: float) -> str:
    """Return a score with two digits that count, as captions have it: 0.82, 0.0051."""
    return f"{score:.2g}" if abs(score) < 0.0995 else f"{score:.2f}"  # noqa: PLR2004  below, 0.10 says too little


def percent(share: float) -> str:
    """Return a share in percent: 6.5 %, 0.07 %, 0 %."""
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    return f"{100 * share:.{2 if share < 0.01 else 1}f} %"  # noqa: PLR2004  one digit would be too few


_SHOWN, _SAID = 200, 1000


def shown(value: object) -> str:
    """Return what a user gave as errors show it: like ``repr``, but never long, and never an error of its own."""
    try:
        return shortened(repr(value), _SHOWN)
    except Exception:  # noqa: BLE001  what classes of others do, and numbers of more digits than Python prints
        return f"a {type(value).__name__} that cannot be shown"


def said(error: BaseException) -> str:
    """Return what an error says, whatever its class does when it is asked, and not more than can be read."""
    try:
        return shortened(str(error), _SAID)
    except Exception:  # noqa: BLE001  as above
        return "it does not say why"


def shortened(text: str, most: int) -> str:
    """Return a text; of a longer one the beginning and the end, which often has the cause."""
    if len(text) <= most:
        return text
    half = (most - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def printable(text: str) -> str:
    """Return a text without what could steer a terminal; bytes that are no text become "?"."""
    return "".join(character if character.isprintable() else "?" for character in text)


def counted(n: int, name: str) -> str:
    """Return a number with what it counts: "1 photograph", "12 photographs"."""
    return f"{n} {name}" if n == 1 else f"{n} {name}s"


def duration(seconds: float) -> str:
    """Return a time in words: "12 s", "3 min 05 s", "2 h 10 min"."""
    whole = round(seconds)
    minutes, hours = whole // 60, whole // 3600
    if hours:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"
