"""The page of a service: the report's scripts and style, and its own, in one file that asks this service alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from dccausal.report.page import filled, report_asset, safe_json

# Of the report's scripts, those that unpack, draw and let choose; then its own.
REPORT_SCRIPTS = (
    "words.js",
    "look.js",
    "unpack.js",
    "outlines.js",
    "draw.js",
    "tree.js",
    "curve.js",
    "slider.js",
    "details.js",
    "viewer.js",
)
SCRIPTS = ("stream.js", "options.js", "watch.js", "serve.js")

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


def page_and_policy(about: Mapping[str, Any]) -> tuple[bytes, str]:
    """
    Return the page, in ASCII, and its content security policy.

    Parameters
    ----------
    about
        What the service says of itself.

    """
    style = report_asset("style.css") + _asset("serve.css")
    parts = [*map(report_asset, REPORT_SCRIPTS), *map(_asset, SCRIPTS)]
    script = "(() => {\n'use strict';\n" + "\n".join(parts) + "})();\n"
    page = filled(
        _asset("page.html"),
        {
            "style": style,
            "script": script,
            "viewer": report_asset("viewer.html"),
            "about": safe_json(about),
        },
    )
    policy = (
        f"default-src 'none'; script-src '{_source(script)}'; style-src '{_source(style)}'; "
        "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page.encode("ascii"), policy


def _source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("ascii")).digest()).decode("ascii")


def _asset(name: str) -> str:
    return (files("dccausal") / "serving" / "web" / name).read_text("ascii")
