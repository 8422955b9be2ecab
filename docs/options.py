"""
Write docs/options.md: every option of ``explain``, from where the library itself takes them.

    python docs/options.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dccausal.engine.option import Meaning, meanings
from dccausal.engine.options import flags
from dccausal.engine.profiles import PROFILES, Profile

PAGE = Path(__file__).with_name("options.md")
HEAD = """# Options

The options of `explain`, on the command line with hyphens: `--min-confidence 0.5`.
This page is written by `docs/options.py` from the library's own table.
"""


def page() -> str:
    """Return the page."""
    profile = {name for name, _, _ in meanings(Profile)}
    own = [(name, default, meaning) for name, default, meaning in flags() if name not in profile]
    lines = [HEAD, "| option | default | range | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {_shown(default)} | {_range(meaning)} | {meaning.help} |"
        for name, default, meaning in own
    ]
    names = list(PROFILES)
    lines += ["", "## The method", "", "Each replaces the value of the profile.", ""]
    lines += [
        f"| option | {' | '.join(f'`{name}`' for name in names)} | range | meaning |",
        "|---" * (len(names) + 3) + "|",
    ]
    for name, _, meaning in meanings(Profile):
        values = " | ".join(_shown(getattr(PROFILES[one], name)) for one in names)
        lines.append(f"| `{name}` | {values} | {_range(meaning)} | {meaning.help} |")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{one:g}" for one in value) or "none"
    return "" if value is None else str(value)


def _range(meaning: Meaning) -> str:
    if meaning.choices:
        return ", ".join(meaning.choices)
    if meaning.kind not in (int, float) or meaning.low is None:
        return ""
    low = f"above {meaning.low:g}" if meaning.is_above else f"{meaning.low:g}"
    if meaning.high is None:
        return f"{low} or more"
    return f"{low} to {'2^64 - 1' if meaning.high > 1e18 else f'{meaning.high:g}'}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
