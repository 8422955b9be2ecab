"""The causal trees of a result as a report has them: numbers only, and checked, whatever result.json says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORLDS = ("intact", "contingency", "sufficient")
_CUT = 4


def trees_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return the causal trees of a result in few characters.

    Parameters
    ----------
    document
        result.json; one of an earlier version has no trees.

    Returns
    -------
    list
        "world" and "nodes" of each: lists of top, left, bottom, right, parent (-1 for none), responsibility, stake,
        contingency.

    Raises
    ------
    ValueError
        If they are not as the document on result.json says.

    """
    try:
        size = int(document["image"]["height"]), int(document["image"]["width"])
        return [_tree(tree, size) for tree in document.get("trees", [])]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"whole causal trees ({error})") from error


def _tree(tree: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    nodes = tree["nodes"]
    if tree["world"] not in _WORLDS or not isinstance(nodes, list) or len(nodes) % _CUT != 1:
        raise ValueError("their form")
    return {"world": tree["world"], "nodes": [_node(i, node, size) for i, node in enumerate(nodes)]}


def _node(i: int, node: Mapping[str, Any], size: tuple[int, int]) -> list[Any]:
    top, left, bottom, right = (_whole(side) for side in node["region"])
    parent = -1 if i == 0 else _whole(node["parent"])
    first = i - (i - 1) % _CUT
    contingency = [_whole(place) for place in node["contingency"]]
    siblings = set(range(first, first + _CUT)) - {i} if i else set()
    is_inside = 0 <= top < bottom <= size[0] and 0 <= left < right <= size[1]
    if not is_inside or not set(contingency) <= siblings or (i and not 0 <= parent < first):
        raise ValueError(f"node {i}")
    return [
        *(top, left, bottom, right, parent),
        *(_share(node[name]) for name in ("responsibility", "stake")),
        contingency,
    ]


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(repr(value))
    return value


def _share(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise ValueError(repr(value))
    return round(float(value), 6)
