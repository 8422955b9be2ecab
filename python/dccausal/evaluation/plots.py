"""Plots of an evaluation, by matplotlib: size against calls, the curves, the spread of sizes."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dccausal.errors import RuntimeMissingError
from dccausal.evaluation.measure import RETAINED
from dccausal.evaluation.table import Mean, Row, has_others, mean_curve, mean_of, values_of

_DPI = 130
_A_ROW = 3
_STRIP = 0.16  # half the width of a strip of points
_TICKS = 9  # about how many numbers fit below an axis


def check_matplotlib() -> None:
    """
    Check that plots can be drawn.

    Raises
    ------
    RuntimeMissingError
        If matplotlib is not installed.

    """
    if importlib.util.find_spec("matplotlib") is None:
        raise RuntimeMissingError(
            'matplotlib is not installed; pip install "dccausal[evaluate]" for plots, or --no-plots is needed'
        )


def plots(rows: Sequence[Row], methods: Sequence[str]) -> dict[str, bytes]:
    """Return PNG files by name, those for which there is something to show."""
    made = {
        "size_calls.png": _size_against_calls(rows, methods),
        "curves.png": _curves(rows, methods),
        "sizes.png": _sizes(rows, methods),
    }
    return {name: content for name, content in made.items() if content is not None}


def _figure(n_panels: int, width: float = 5.0, height: float = 4.2) -> tuple[Any, list[Any]]:
    """Return a figure of some panels, three a row."""
    from matplotlib.figure import Figure

    n_columns = min(n_panels, _A_ROW)
    n_rows = -(-n_panels // _A_ROW)
    figure = Figure(figsize=(width * n_columns, height * n_rows), dpi=_DPI, layout="constrained")
    panels = list(figure.subplots(n_rows, n_columns, squeeze=False).flat)
    for panel in panels[n_panels:]:
        panel.set_visible(False)
    for panel in panels[:n_panels]:
        panel.grid(alpha=0.25, linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels[:n_panels]


def _png(figure: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _colour(index: int) -> str:
    return f"C{index % 10}"


def _sets(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Return the columns of size and of model calls, and the title, of each kind of explanation there is."""
    present = {column for row in rows for column, value in row.items() if value is not None}
    floors = sorted(float(column[5:]) for column in present if column.startswith("size@"))
    found = [("size_grown", "cost_grown", "grown by rank")]
    found += [("size", "calls", "its own explanation")] if has_others(rows) else []
    found += [(f"size@{floor:g}", f"cost@{floor:g}", f"minimal, floor {floor:g}") for floor in floors]
    return [kind for kind in found if kind[0] in present]


def _size_against_calls(rows: Sequence[Row], methods: Sequence[str]) -> bytes | None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    sets = _sets(rows)
    if not sets:
        return None
    figure, panels = _figure(len(sets))
    for panel, (size, cost, title) in zip(panels, sets, strict=True):
        for index, method in enumerate(methods):
            calls, sizes = values_of(rows, method, cost), values_of(rows, method, size)
            both = [index for index in calls if index in sizes]
            if not both:
                continue
            x, y = [calls[i] for i in both], [100 * sizes[i] for i in both]
            panel.scatter(x, y, s=9, alpha=0.3, color=_colour(index), linewidths=0)
            _cross(panel, (mean_of(rows, method, cost), mean_of(rows, method, size)), method, index)
        panel.set(
            title=title, xlabel="model calls a photograph", ylabel="size, % of the pixels", xscale="log"
        )
        panel.set_ylim(bottom=0)
        low, high = panel.get_xlim()
        choices = ((1, 1.5, 2, 3, 5, 7), (1, 2, 5))
        subs = next((some for some in choices if len(some) * np.log10(high / low) <= _TICKS), (1,))
        panel.xaxis.set_major_locator(LogLocator(subs=subs))
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        if panel.get_legend_handles_labels()[0]:
            panel.legend(fontsize=8)
    return _png(figure)


def _cross(panel: Any, means: tuple[Mean | None, Mean | None], method: str, index: int) -> None:
    """Mark the means of calls and size with their intervals."""
    calls, size = means
    if calls is None or size is None:
        return
    panel.errorbar(
        calls.mean,
        100 * size.mean,
        xerr=[[calls.mean - calls.low], [calls.high - calls.mean]],
        yerr=[[100 * (size.mean - size.low)], [100 * (size.high - size.mean)]],
        fmt="o",
        color=_colour(index),
        markersize=7,
        markeredgecolor="black",
        capsize=3,
        label=method,
    )


def _curves(rows: Sequence[Row], methods: Sequence[str]) -> bytes | None:
    if not any(row.get("insertion_scores") for row in rows):
        return None
    figure, panels = _figure(3)
    for index, method in enumerate(methods):
        for panel, column in zip(panels, ("insertion_scores", "deletion_scores"), strict=False):
            curve = mean_curve(rows, method, column)
            if curve is not None:
                panel.plot(np.linspace(0, 100, len(curve)), curve, color=_colour(index), label=method)
        shares, kept = zip(*_retained(rows, method), strict=True) if _has_retained(rows, method) else ((), ())
        panels[2].plot(shares, kept, "o-", markersize=4, color=_colour(index), label=method)
    headings = (
        ("insertion", "pixels inserted, %", "score of the label"),
        ("deletion", "pixels deleted, %", "score of the label"),
        ("retained", "best pixels kept, %", "photographs that keep their label, %"),
    )
    for panel, (title, x, y) in zip(panels, headings, strict=True):
        panel.set(title=title, xlabel=x, ylabel=y)
        panel.set_ylim(bottom=0)
        panel.legend(fontsize=8)
    return _png(figure)


def _has_retained(rows: Sequence[Row], method: str) -> bool:
    return any(True for _ in _retained(rows, method))


def _retained(rows: Sequence[Row], method: str) -> Iterator[tuple[float, float]]:
    for share in RETAINED:
        mean = mean_of(rows, method, f"retained@{share:g}")
        if mean is not None:
            yield 100 * share, 100 * mean.mean


def _sizes(rows: Sequence[Row], methods: Sequence[str]) -> bytes | None:
    sets = _sets(rows)
    if not sets:
        return None
    figure, panels = _figure(len(sets), max(4.0, 0.7 * len(methods) + 1), 4.6)
    for panel, (column, _, title) in zip(panels, sets, strict=True):
        groups = {method: values_of(rows, method, column) for method in methods}
        _strips(panel, {method: list(group.values()) for method, group in groups.items()})
        panel.set(title=title, ylabel="size, % of the pixels")
    return _png(figure)


def _strips(panel: Any, groups: Mapping[str, Sequence[float]]) -> None:
    """Draw a box and all values of each group, spread by a fixed sequence so that the picture is always the same."""
    rng = np.random.default_rng(0)
    for index, values in enumerate(groups.values()):
        sizes = 100 * np.asarray(values)
        panel.boxplot(
            [sizes],
            positions=[index],
            widths=0.55,
            showfliers=False,
            manage_ticks=False,
            medianprops={"color": "black", "linewidth": 1.5},
        )
        spread = index + rng.uniform(-_STRIP, _STRIP, len(sizes))
        panel.scatter(spread, sizes, s=9, alpha=0.5, color=_colour(index), linewidths=0, zorder=3)
    panel.set_xticks(range(len(groups)), list(groups), rotation=25, ha="right", fontsize=8)
    panel.set_xlim(-0.6, len(groups) - 0.4)
    panel.set_ylim(bottom=0)
