"""The endpoint of explanations in OpenAPI's words; the options are those of the library's table."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from dccausal.serving.answers import PICTURES
from dccausal.serving.options import offered, schema
from dccausal.serving.upload import BASELINE, DRAWN, EVENTS, JSON, PHOTO, PICTURE, PNG


def _result_schema() -> dict[str, Any]:
    text = (files("dccausal") / "explanation" / "result.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return {key: value for key, value in found.items() if not key.startswith("$")}


def _request() -> dict[str, Any]:
    fields = {
        PHOTO: {"type": "string", "format": "binary", "description": "The photograph, as a file."},
        PICTURE: {
            "type": "string",
            "enum": list(PICTURES),
            "default": PICTURES[0],
            "description": f"Which picture is answered where Accept is {PNG}.",
        },
        DRAWN: {
            "type": "boolean",
            "default": False,
            "description": f"Whether the events have what the page draws from, where Accept is {EVENTS}.",
        },
    }
    options = {name: schema(name, default, meaning) for name, default, meaning in offered()}
    options[BASELINE]["description"] += " A file of this name is an image that masked pixels are replaced by."
    form = {"type": "object", "required": [PHOTO], "properties": {**fields, **options}}
    return {"required": True, "content": {"multipart/form-data": {"schema": form}}}


def _refused(text: str) -> dict[str, Any]:
    document = {
        "type": "object",
        "required": ["detail", "error"],
        "properties": {"detail": {"type": "string"}, "error": {"type": "string"}},
    }
    return {"description": text, "content": {JSON: {"schema": document}}}


_EVENT_WORDS = (
    "queued {before}; view; progress {phase, n_calls, n_expected, seconds}; heat {shape, tones}; drawn; result, as the "
    "JSON answer; pictures; or error {detail, error, status}. view, drawn and pictures come where drawn is true."
)

REQUEST = _request()
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The explanation.",
        "content": {
            JSON: {"schema": _result_schema()},
            PNG: {"schema": {"type": "string", "format": "binary"}},
            EVENTS: {"schema": {"type": "string", "description": _EVENT_WORDS}},
        },
    },
    400: _refused("The form cannot be read."),
    401: _refused("The API key is missing or wrong."),
    403: _refused("The request comes from a page of another site."),
    406: _refused("Accept has nothing that is answered."),
    408: _refused("The upload took too long."),
    413: _refused("The upload is too long."),
    415: _refused("The request is no form with a file."),
    422: _refused("The photograph or an option cannot be used; the text says why."),
    429: _refused("The queue is full; Retry-After tells when to try again."),
    503: _refused("The service starts or is being stopped, or the time was over before anything was known."),
}
