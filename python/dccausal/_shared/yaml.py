"""YAML documents by PyYAML, within bounds: plain values, no references, a size and a depth that do not hurt."""

from __future__ import annotations

from typing import Any

from dccausal.errors import RuntimeMissingError

_MAX_TEXT = 1 << 20
_MAX_DEPTH = 40


def read_yaml(text: str, *, are_texts: bool = False) -> Any:
    """
    Return what a document holds: dicts, lists, texts, numbers, booleans and None.

    Parameters
    ----------
    text
        One document.
    are_texts
        Whether numbers and words such as ``no`` stay texts, as names are to.

    Raises
    ------
    ValueError
        If it is none, too long or too deep, or refers to a part of itself.
    RuntimeMissingError
        If PyYAML is not installed.

    """
    try:
        import yaml
    except ImportError as error:
        raise RuntimeMissingError(
            'PyYAML is not installed; YAML needs it: pip install "dccausal[yaml]"'
        ) from error
    if len(text) > _MAX_TEXT:
        raise ValueError(f"it has {len(text)} characters; at most {_MAX_TEXT} are needed")
    kind = "BaseLoader" if are_texts else "SafeLoader"
    loader = getattr(yaml, f"C{kind}", None) or getattr(yaml, kind)  # the faster one where it was built
    try:
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                raise ValueError(f"it is nested more than {_MAX_DEPTH} deep")
            if isinstance(event, yaml.AliasEvent):  # a few lines of which stand for any amount of memory
                raise ValueError("it refers to a part of itself; a document without references is needed")  # noqa: TRY004
        return yaml.load(text, Loader=loader)  # noqa: S506  one of the two that make plain values
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML ({' '.join(str(error).split())})") from error
