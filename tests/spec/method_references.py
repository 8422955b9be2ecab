"""The methods as plain loops over pixels and masks: slow, and short enough to check by reading."""

from __future__ import annotations

import itertools
import math

import numpy as np

from dccausal.methods.base import generator


def show(image, baseline, kept):
    """The image where ``kept``, (H, W) in [0, 1], is 1; the baseline where it is 0; whole numbers."""
    share = kept.astype(np.float32)[..., None]
    return np.rint(image.astype(np.float32) * share + baseline.astype(np.float32) * (1 - share)).astype(
        np.uint8
    )


def suspiciousness(measure, ef, ep, nf, np_):
    """One pixel's, from its four counts."""
    if measure == "tarantula":
        failing = ef / (ef + nf) if ef + nf else 0
        passing = ep / (ep + np_) if ep + np_ else 0
        return failing / (failing + passing) if failing + passing else 0
    if measure == "zoltar":
        return ef / (ef + nf + ep + 10_000 * nf * ep / ef) if ef else 0
    if measure == "ochiai":
        return ef / math.sqrt((ef + nf) * (ef + ep)) if ef else 0
    return ef - ep


def sbfl_masked(random, height, width, *, mutation, cells, share):
    """What a mutant masks, pixel by pixel."""
    share = random.random() if share is None else share
    masked = np.zeros((height, width), dtype=bool)
    if mutation == "square":
        row, column = int(random.integers(height)), int(random.integers(width))
        down, right = round(share * height / 2), round(share * width / 2)
        for y, x in itertools.product(range(height), range(width)):
            masked[y, x] = (y == row or row - down <= y < row + down) and (
                x == column or column - right <= x < column + right
            )
        return masked
    n = round(share * cells * cells)
    gone = set(random.permutation(cells * cells)[: min(max(n, 1), cells * cells - 1)].tolist())
    for y, x in itertools.product(range(height), range(width)):
        masked[y, x] = y * cells // height * cells + x * cells // width in gone
    return masked


def sbfl(image, baseline, passes, measure, *, seed, mutants, **options):
    """Count every mutant for every pixel."""
    height, width = image.shape[:2]
    counts = np.zeros((height, width, 4))  # ef, ep, nf, np
    for index in range(mutants):
        masked = sbfl_masked(generator(seed, index), height, width, **options)
        is_passing = passes(show(image, baseline, ~masked))
        for y, x in itertools.product(range(height), range(width)):
            counts[y, x, (0 if masked[y, x] else 2) + is_passing] += 1
    return np.array([[suspiciousness(measure, *counts[y, x]) for x in range(width)] for y in range(height)])


def rise_mask(random, height, width, cells, probability):
    """One mask, pixel by pixel: bilinear between the centres of cells, mirrored beyond the outer ones."""
    grid = random.random((cells, cells)) < probability
    tall, wide = math.ceil(height / cells), math.ceil(width / cells)
    top, left = int(random.integers(tall)), int(random.integers(wide))

    def at(place, n_pixels):
        where = abs((place + 0.5) * cells / n_pixels - 0.5)
        where = min(where, 2 * (cells - 1) - where)
        low = min(math.floor(where), cells - 2)
        return low, where - low

    mask = np.zeros((height, width))
    for y, x in itertools.product(range(height), range(width)):
        row, down = at(y + top, (cells + 1) * tall)
        column, right = at(x + left, (cells + 1) * wide)
        above = grid[row, column] * (1 - right) + grid[row, column + 1] * right
        below = grid[row + 1, column] * (1 - right) + grid[row + 1, column + 1] * right
        mask[y, x] = above * (1 - down) + below * down
    return mask


def rise(image, baseline, score, *, seed, masks, cells, probability):
    """Petsiuk et al., equation 6."""
    total = np.zeros(image.shape[:2])
    for index in range(masks):
        mask = rise_mask(generator(seed, index), *image.shape[:2], cells, probability)
        total += score(show(image, baseline, mask)) * mask
    return total / (masks * probability)


def occlusion(image, baseline, score, *, window, stride):
    """The mean drop over the windows around each pixel."""
    height, width = image.shape[:2]

    def starts(side):
        size, step = max(1, round(window * side)), max(1, round(stride * side))
        return size, sorted({*range(0, side - size + 1, step), side - size})

    (tall, tops), (wide, lefts) = starts(height), starts(width)
    intact, drops = score(image), [[[] for _ in range(width)] for _ in range(height)]
    for top, left in itertools.product(tops, lefts):
        kept = np.ones((height, width))
        kept[top : top + tall, left : left + wide] = 0
        drop = intact - score(show(image, baseline, kept))
        for y, x in itertools.product(range(top, top + tall), range(left, left + wide)):
            drops[y][x].append(drop)
    return np.array([[sum(cell) / len(cell) for cell in row] for row in drops])


def enlarged(cells, height, width):
    """A lattice's values (rows, columns) at every pixel: cubic convolution with a of -0.75, edges repeated."""
    rows, columns = cells.shape

    def kernel(d):
        d = abs(d)
        if d <= 1:
            return 1.25 * d**3 - 2.25 * d**2 + 1
        return -0.75 * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0

    heat = np.zeros((height, width))
    for y, x in itertools.product(range(height), range(width)):
        down, right = (y + 0.5) * rows / height - 0.5, (x + 0.5) * columns / width - 0.5
        for row, column in itertools.product(range(-2, rows + 2), range(-2, columns + 2)):
            value = cells[min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)]
            heat[y, x] += kernel(down - row) * kernel(right - column) * value
    return heat


def by_cell(values, height, width):
    """The value of each pixel's cell."""
    rows, columns = values.shape
    return np.array(
        [[values[y * rows // height, x * columns // width] for x in range(width)] for y in range(height)]
    )


def hsic(image, baseline, score, *, seed, masks, cells):
    """Novello et al., with xplique's kernels: the trace of two centred Gram matrices, cell by cell."""
    height, width = image.shape[:2]
    random, n = generator(seed, 0), masks
    strata = [random.permutation(n) for _ in range(cells * cells)]
    jitter = random.random((n, cells * cells))
    visible = np.array([[(strata[c][i] + jitter[i, c]) / n > 0.5 for c in range(cells**2)] for i in range(n)])
    shown = [by_cell(row.reshape(cells, cells), height, width) for row in visible]
    y = np.array([score(show(image, baseline, one)) for one in shown])
    of_scores = np.array([[math.exp(-((a - b) ** 2) / (2 * np.median(y) ** 2)) for b in y] for a in y])
    centring = np.eye(n) - 1 / n
    values = np.zeros(cells * cells)
    for cell in range(cells * cells):
        x = visible[:, cell].astype(float)
        of_cell = np.array([[1 + 0.5 - (a - b) ** 2 for b in x] for a in x])
        values[cell] = np.trace(centring @ of_cell @ centring @ of_scores) / n
    return enlarged(values.reshape(cells, cells), height, width)


def sobol(image, baseline, score, *, points, cells):
    """Fel et al., Jansen's estimator; ``points`` are the masks of A and B, side by side."""
    height, width = image.shape[:2]

    def ask(mask):
        return score(show(image, baseline, by_cell(mask.reshape(cells, cells), height, width)))

    a, b = points[:, : cells * cells], points[:, cells * cells :]
    before, values = [ask(mask) for mask in a], np.zeros(cells * cells)
    for cell in range(cells * cells):
        changes = []
        for row, other, old in zip(a, b, before, strict=True):
            mask = row.copy()
            mask[cell] = other[cell]
            changes.append((old - ask(mask)) ** 2)
        values[cell] = sum(changes) / len(changes) / (2 * np.var(before, ddof=1))
    return enlarged(values.reshape(cells, cells), height, width)


def partition(image, baseline, score, *, max_evals, round_size):
    """SHAP's partition explainer: shares in a list, those with most at stake divided first."""
    height, width = image.shape[:2]

    def pixels(box):
        kept = np.zeros((height, width))
        kept[box[0] : box[1], box[2] : box[3]] = 1
        return kept

    def halves(box):
        top, bottom, left, right = box
        if bottom - top >= right - left:
            middle = top + (bottom - top) // 2
            return (top, middle, left, right), (middle, bottom, left, right)
        middle = left + (right - left) // 2
        return (top, bottom, left, middle), (top, bottom, middle, right)

    def ask(kept):
        return score(show(image, baseline, kept))

    nothing = np.zeros((height, width))
    shares = [((0, height, 0, width), nothing, ask(nothing), ask(nothing + 1), 1)]
    n_asked = 2
    while True:
        divisible = [share for share in shares if pixels(share[0]).sum() > 1]
        divisible.sort(key=lambda share: -abs(share[3] - share[2]) * share[4])
        chosen = divisible[: min(round_size, max_evals - n_asked) // 2]
        if not chosen:
            break
        shares = [share for share in shares if not any(share is one for one in chosen)]
        for box, ground, without, full, weight in chosen:
            one, two = halves(box)
            with_one, with_two = ask(ground + pixels(one)), ask(ground + pixels(two))
            n_asked += 2
            shares += [
                (one, ground, without, with_one, weight / 2),
                (one, ground + pixels(two), with_two, full, weight / 2),
                (two, ground, without, with_two, weight / 2),
                (two, ground + pixels(one), with_one, full, weight / 2),
            ]
    return sum(
        (full - without) * weight * pixels(box) / pixels(box).sum()
        for box, _, without, full, weight in shares
    )


def scaled(heat):
    """To the range from 0 to 1."""
    return (heat - heat.min()) / (heat.max() - heat.min())
