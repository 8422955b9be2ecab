"""Images that a model is tried on, to see what depends on their number and size, and what on nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

# What these say of a tensor holds for all images of one size.
_SHAPE_ONLY = {"Shape", "Size"}
_OTHER_SIZE = 32  # pixels by which an open height or width is enlarged, to see what grows with it
_DEFAULT_SIZE = 224


def image_free(graph: Any) -> frozenset[str]:
    """Return the names of a GraphProto's tensors that do not depend on what the image shows."""
    free = {tensor.name for tensor in graph.initializer} | {""}
    for node in graph.node:
        is_known = all(name in free for name in node.input) and not has_graph(node)
        if node.op_type in _SHAPE_ONLY or is_known:
            free.update(node.output)
    return frozenset(free - {""})


def has_graph(node: Any) -> bool:
    """Whether a NodeProto has a graph inside."""
    return any(attribute.HasField("g") for attribute in node.attribute)


def trial_shapes(
    declared: Sequence[int | str | None], size: tuple[int, int] | None
) -> Iterator[tuple[int, ...]]:
    """Yield the shapes of the images to run on: one, and another for each group of open dimensions."""
    spatial = _spatial_axes(declared)
    sides = dict(zip(spatial, size or (_DEFAULT_SIZE, _DEFAULT_SIZE), strict=True))
    first = [
        dim if isinstance(dim, int) and dim > 0 else 1 if axis == 0 else sides.get(axis, 3)
        for axis, dim in enumerate(declared)
    ]
    yield tuple(first)
    open_axes = [axis for axis, dim in enumerate(declared) if not isinstance(dim, int) or dim <= 0]
    if 0 in open_axes:
        yield (2, *first[1:])
    for axis in set(open_axes) & set(spatial):
        yield tuple(n + _OTHER_SIZE * (at == axis) for at, n in enumerate(first))


def _spatial_axes(declared: Sequence[int | str | None]) -> tuple[int, int]:
    is_last = len(declared) == 4 and declared[3] in (1, 3) and declared[1] not in (1, 3)  # noqa: PLR2004
    return (1, 2) if is_last else (2, 3)
