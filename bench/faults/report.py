"""Reports on runs whose files are damaged or hostile: these are listed or refused, and nothing of them runs."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dccausal.report.write import write_report
from faults.commands import explain, finished, start, workplace
from faults.images import changed
from faults.trial import Outcome, Wrong, tried

N = 400
SCRIPT = "</script><script>alert(1)</script>"
SECRET = "what nobody may see"  # noqa: S105  a text to look for
VALUES = (
    None, True, -1, 10**400, 1e308, "", SCRIPT, "x" * 100_000, [], {}, [[]], {"a": [SCRIPT]}, "\ud800", "\0",
    "../secret", "/etc/passwd", "C:\\x", [None] * 1000,
)  # fmt: skip


def run(n: int, seed: int) -> Iterator[Outcome]:
    chance = random.Random(seed)  # noqa: S311
    with workplace() as folder:
        finished(start(folder, *explain("--out", "run", "--trees", "1")))
        (folder / "secret").mkdir()
        (folder / "secret" / "result.json").write_text(json.dumps({"name": SECRET}))
        (folder / "secret" / "heatmap.png").write_text(SECRET)
        for name, spoil in _cases(n, chance):
            shutil.rmtree(folder / "spoilt", ignore_errors=True)
            shutil.copytree(folder / "run", folder / "spoilt")
            spoil(folder / "spoilt")
            yield tried(name, lambda: check(folder / "spoilt"))


def check(run: Path) -> str:
    """Write the report; texts of results are data in it, and no file from elsewhere is."""
    told = write_report(run)
    page = told["path"].read_text(encoding="utf-8", errors="replace")
    if SCRIPT in page or SECRET in page:
        raise Wrong("a text became markup" if SCRIPT in page else "it shows a file from elsewhere")
    return f"{told['n_explained']} explained, {len(told['damaged'])} damaged"


def _cases(n: int, chance: random.Random) -> Iterator[tuple[str, Callable[[Path], None]]]:
    for i in range(n):
        way = i % 4
        if way == 0:
            yield f"{i} bytes", lambda run: _change_bytes(run, chance)
        elif way == 1:
            yield f"{i} result", lambda run: _change_value(run / "images" / "p0" / "result.json", chance)
        elif way == 2:
            yield f"{i} manifest", lambda run: _change_value(run / "manifest.json", chance)
        else:
            yield f"{i} table", lambda run: _change_row(run / "results.jsonl", chance)


def _change_bytes(run: Path, chance: random.Random) -> None:
    path = chance.choice(sorted(path for path in run.rglob("*") if path.is_file()))
    path.write_bytes(changed(path.read_bytes(), chance))


def _change_value(path: Path, chance: random.Random) -> None:
    document = json.loads(path.read_text())
    document.pop("sha256", None)  # of the manifest, which would refuse the rest at once
    _change(document, chance)
    path.write_text(json.dumps(document))


def _change_row(path: Path, chance: random.Random) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    _change(rows[chance.randrange(len(rows))], chance)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _change(document: Any, chance: random.Random) -> None:
    """Put another value in the place of one, at any depth; or take it away."""
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = chance.choice(keys)
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.3:
            break
        place = inner
    if chance.random() < 0.2:
        del place[key]
    else:
        place[key] = chance.choice(VALUES)
