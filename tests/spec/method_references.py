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


def scaled(heat):
    """To the range from 0 to 1."""
    return (heat - heat.min()) / (heat.max() - heat.min())
