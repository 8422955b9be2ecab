"""
The borders of a set of pixels as smooth lines in the photograph: traced, rounded, drawn without steps.

A border is traced along the pixels of the model's size, its corners are rounded at the photograph's scale, and it is
drawn in the few tiles of the photograph that it runs through, enlarged and averaged again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dccausal.inputs.placement import Placement

if TYPE_CHECKING:
    from PIL import Image

Path = NDArray[np.float64]
Box = tuple[int, int, int, int]

_ROUND = 0.036  # radius of a corner, as a share of the side of what the model saw
_STEPS = 12  # of a rounded corner: an angle of 7.5 degrees leaves no notch that can be seen
_TILE = 96  # pixels of a tile's side, more where lines are wide
_DETAIL = 3  # times that edges are enlarged
_FINE = 3.0  # lines thinner than so many pixels are drawn with more detail


@dataclass(frozen=True)
class Stroke:
    """
    A line around a set of pixels.

    Attributes
    ----------
    paths
        Closed lines (n, 2) of (x, y) in the photograph.
    width
        In its pixels.
    opacity
        0 to 255.
    colour
        RGB, 0 to 255 each.

    """

    paths: Sequence[Path]
    width: float
    opacity: int
    colour: tuple[int, int, int] = (255, 255, 255)


def borders(mask: NDArray[np.bool_], *, joined: bool = False) -> list[NDArray[np.int64]]:
    """
    Trace the borders of a mask (H, W).

    Parameters
    ----------
    mask
        True where a pixel is kept.
    joined
        Whether pixels that touch at a corner alone are one piece.

    Returns
    -------
    list
        The corners (n, 2) of each, (x, y) from (0, 0) to (W, H), without repeating the first: clockwise around
        pixels, against the clock around holes.

    """
    padded = np.pad(mask, 1).astype(np.int8)
    across, down = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    after: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for edges, dx, dy in ((across, 1, 0), (down, 0, 1)):
        for sign in (1, -1):
            forward = sign if dx else -sign  # what is kept lies on the right
            for y, x in np.argwhere(edges == sign).tolist():
                start, stop = (x, y), (x + dx, y + dy)
                if forward < 0:
                    start, stop = stop, start
                after.setdefault(start, []).append(stop)
    found = []
    while after:
        first = place = next(iter(after))
        corners: list[tuple[int, int]] = []
        begun = heading = (0, 0)
        while place in after and not (
            place == first and heading != (0, 0) and _turn(heading, joined) == begun
        ):
            step = _step(after, place, heading, joined=joined)
            begun = begun if corners else step
            if step != heading:
                corners.append(place)
            heading, place = step, (place[0] + step[0], place[1] + step[1])
        if heading == begun:
            corners = corners[1:]  # the trace began in the middle of a side
        found.append(np.array(corners, dtype=np.int64))
    return found


def _step(
    after: dict[tuple[int, int], list[tuple[int, int]]],
    place: tuple[int, int],
    heading: tuple[int, int],
    *,
    joined: bool,
) -> tuple[int, int]:
    """Take an edge that leaves a place; where two do, the one to the right, or to the left to join what touches."""
    ways = after[place]
    steps = [(x - place[0], y - place[1]) for x, y in ways]
    at = steps.index(_turn(heading, joined)) if len(steps) > 1 and heading != (0, 0) else 0
    del ways[at]
    if not ways:
        del after[place]
    return steps[at]


def _turn(heading: tuple[int, int], to_the_left: bool) -> tuple[int, int]:  # noqa: FBT001
    return (heading[1], -heading[0]) if to_the_left else (-heading[1], heading[0])


def smooth_paths(
    mask: NDArray[np.bool_], placement: Placement, *, inset: float = 0.0, margin: float = 0.0
) -> list[Path]:
    """
    Return the borders of a mask (H, W) in the photograph, with round corners.

    Parameters
    ----------
    mask
        In the model's size.
    placement
        Where in the photograph it lies.
    inset
        How far inside of the border the line runs, in the photograph's pixels; negative is outside. Less where a
        side is too short for it.
    margin
        How far from the photograph's border it stays.

    """
    left, top, right, bottom = placement.box
    step = np.array(((right - left) / mask.shape[1], (bottom - top) / mask.shape[0]))
    radius = _ROUND * min(right - left, bottom - top)
    low, high = np.full(2, margin), np.array(placement.photo_size) - margin
    paths = []
    for corners in borders(mask, joined=inset < 0):  # lines outside of two pieces would cross
        points = np.array((left, top)) + corners * step
        heading = np.sign(np.roll(corners, -1, axis=0) - corners)
        sides = np.abs(np.roll(points, -1, axis=0) - points).sum(axis=1)
        inward = np.stack([-heading[:, 1], heading[:, 0]], axis=1)
        reach = math.copysign(min(abs(inset), 0.35 * float(sides.min())), inset)
        points = np.clip(points + reach * (inward + np.roll(inward, 1, axis=0)), low, np.maximum(low, high))
        paths.append(_rounded(points, heading.astype(np.float64), radius))
    return paths


def _rounded(points: Path, heading: Path, radius: float) -> Path:
    """Replace each corner by a curve that begins and ends within ``radius``, and not past the middle of a side."""
    sides = np.abs(np.roll(points, -1, axis=0) - points).sum(axis=1)
    room = np.minimum(radius, np.minimum(sides, np.roll(sides, 1)) / 2)[:, None]
    before, after = points - room * np.roll(heading, 1, axis=0), points + room * heading
    at = np.linspace(0, 1, _STEPS + 1)[None, :, None]
    curve = (1 - at) ** 2 * before[:, None] + 2 * at * (1 - at) * points[:, None] + at**2 * after[:, None]
    path: Path = curve.reshape(-1, 2)
    return path


def dashes(path: Path, length: float) -> list[Path]:
    """Cut a closed line into open ones of a length, with gaps of the same length between them."""
    closed = np.concatenate([path, path[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    n = max(1, round(float(along[-1]) / (2 * length)))
    found = []
    for start in np.arange(n) * along[-1] / n:
        places = np.linspace(start, start + along[-1] / n / 2, 9)
        found.append(np.stack([np.interp(places, along, closed[:, i]) for i in (0, 1)], axis=1))
    return found


def draw_strokes(
    picture: Image.Image, strokes: Sequence[Stroke], *, edge: float, dash: float | None = None
) -> None:
    """
    Draw lines with dark edges into a picture.

    Parameters
    ----------
    picture
        RGB, changed.
    strokes
        The last one on top.
    edge
        Width of the dark edge on each side.
    dash
        Length of dashes and gaps; None draws whole lines.

    """
    from PIL import Image, ImageDraw

    reach = max((stroke.width for stroke in strokes), default=0.0) / 2 + edge + 1
    tile_side = _TILE * math.ceil(3 * reach / _TILE)
    lines = []
    for stroke in strokes:
        for path in stroke.paths:
            parts = [np.concatenate([path, path[:2]])] if dash is None else dashes(path, dash)
            lines += [(_short(part, tile_side / 3), stroke) for part in parts]
    if not lines:
        return
    detail = 4 if min(stroke.width for stroke in strokes) < _FINE else 2
    for box, near in _tiles(picture.size, [line for line, _ in lines], reach, tile_side):
        size = (box[2] - box[0]) * detail, (box[3] - box[1]) * detail
        tile = Image.new("RGBA", size, (12, 12, 12, 0))
        draw = ImageDraw.Draw(tile)
        for more in (edge, 0.0):
            for i, first, last in near:
                line, stroke = lines[i]
                colour = (12, 12, 12) if more else stroke.colour
                width = max(1, round((stroke.width + 2 * more) * detail))
                fill = (*colour, round(stroke.opacity * (0.62 if more else 1)))
                points = (line[first : last + 1] - box[:2]) * detail
                draw.line(points.ravel().tolist(), fill=fill, width=width)
        tile = tile.reduce(detail)
        picture.paste(tile, box, tile)


def inside_tiles(size: tuple[int, int], paths: Sequence[Path]) -> Iterator[tuple[Box, Image.Image | None]]:
    """
    Yield the tiles of a picture (width, height) that closed lines enclose, in whole or in part.

    With each comes what is inside as mode L, 255 wholly; None where all of it is. Lines around holes run against the
    clock.
    """
    from PIL import Image, ImageDraw

    if not paths:
        return
    closed = [_short(np.concatenate([path, path[:1]]), _TILE / 3) for path in paths]
    starts = np.concatenate([line[:-1] for line in closed])
    stops = np.concatenate([line[1:] for line in closed])
    touched = {box for box, _ in _tiles(size, closed, 1.0, _TILE)}
    ordered = sorted(paths, key=lambda path: -abs(_area(path)))
    low, high = (np.array([end(path, axis=0) for path in ordered]) for end in (np.min, np.max))
    is_filled: bool | None = None  # what the tile to the left is, where no line runs through it
    for box in _grid(size):
        if box[0] == 0:
            is_filled = None
        if box not in touched:
            if is_filled is None:
                is_filled = _is_inside((box[0] + 0.5, box[1] + 0.5), starts, stops)
            if is_filled:
                yield box, None
            continue
        is_filled = None
        tile = Image.new("L", ((box[2] - box[0]) * _DETAIL, (box[3] - box[1]) * _DETAIL))
        draw = ImageDraw.Draw(tile)
        for i in np.flatnonzero(((low < box[2:]) & (high > box[:2])).all(axis=1)):
            points = (ordered[i] - box[:2]) * _DETAIL
            draw.polygon(points.ravel().tolist(), fill=255 if _area(ordered[i]) > 0 else 0)
        yield box, tile.reduce(_DETAIL)


def _area(path: Path) -> float:
    x, y = path.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _is_inside(point: tuple[float, float], starts: Path, stops: Path) -> bool:
    """Return whether a ray to the right crosses the lines an odd number of times."""
    x, y = point
    crosses = (starts[:, 1] > y) != (stops[:, 1] > y)
    a, b = starts[crosses], stops[crosses]
    at = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return bool((at > x).sum() % 2)


def _short(line: Path, most: float) -> Path:
    """Put points into sides that are longer than ``most``."""
    lengths = np.hypot(*np.diff(line, axis=0).T)
    n = np.maximum(1, np.ceil(lengths / most).astype(int))
    if (n == 1).all():
        return line
    parts = [np.linspace(line[i], line[i + 1], n[i], endpoint=False) for i in range(len(n))]
    return np.concatenate([*parts, line[-1:]])


def _grid(size: tuple[int, int]) -> Iterator[Box]:
    for row in range(math.ceil(size[1] / _TILE)):
        for column in range(math.ceil(size[0] / _TILE)):
            yield _box(column, row, size, _TILE)


def _tiles(
    size: tuple[int, int], lines: Sequence[Path], reach: float, side: int
) -> Iterator[tuple[Box, list[tuple[int, int, int]]]]:
    """
    Yield each tile that lines come near to, with the pieces that do: which line, its first and its last point.

    Neither a part of a line nor the reach may be longer than a third of a tile's side.
    """
    starts = np.concatenate([line[:-1] for line in lines])
    stops = np.concatenate([line[1:] for line in lines])
    of_line = np.repeat(np.arange(len(lines)), [len(line) - 1 for line in lines])
    in_line = np.concatenate([np.arange(len(line) - 1) for line in lines])
    low = np.floor((np.minimum(starts, stops) - reach) / side).astype(np.int64)
    high = np.floor((np.maximum(starts, stops) + reach) / side).astype(np.int64)
    n_columns, n_rows = math.ceil(size[0] / side), math.ceil(size[1] / side)
    pairs = []
    for x, y in ((low, low), (high, low), (low, high), (high, high)):
        column, row = x[:, 0], y[:, 1]
        is_there = (column >= 0) & (column < n_columns) & (row >= 0) & (row < n_rows)
        part = np.flatnonzero(is_there)
        pairs.append(np.stack([row[part] * n_columns + column[part], part], axis=1))
    found = np.unique(np.concatenate(pairs), axis=0)
    for part in np.split(found, np.flatnonzero(np.diff(found[:, 0])) + 1) if len(found) else ():
        group = part[:, 1]
        breaks = np.flatnonzero((np.diff(group) > 1) | (np.diff(of_line[group]) > 0)) + 1
        pieces = ((piece[0], piece[-1]) for piece in np.split(group, breaks))
        row, column = divmod(int(part[0, 0]), n_columns)
        near = [(int(of_line[i]), int(in_line[i]), int(in_line[j]) + 1) for i, j in pieces]
        yield _box(column, row, size, side), near


def _box(column: int, row: int, size: tuple[int, int], side: int) -> Box:
    left, top = column * side, row * side
    return left, top, min(size[0], left + side), min(size[1], top + side)
