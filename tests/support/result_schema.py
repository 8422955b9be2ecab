"""The JSON Schema of result.json, as it is packaged, and closed against keys that it does not describe."""

from __future__ import annotations

import json
from importlib.resources import files


def schema():
    """Return it as it is packaged."""
    return json.loads((files("dccausal") / "explanation" / "result.schema.json").read_text())


def closed():
    """Return the same, but where it describes all keys of an object, there may be no others."""
    found = schema()
    objects = found["properties"]
    kind = objects["kind"]
    closing = (
        found,
        objects["levels"]["items"],
        objects["baselines"]["items"],
        kind,
        kind["properties"]["sets"]["items"],
    )
    for part in (*closing, *(objects[key] for key in ("kept_rle", "image", "baseline"))):
        part["additionalProperties"] = False
    objects["image"]["properties"]["box"]["additionalProperties"] = False
    return found
