"""The page of a report: template, style, scripts and data in one file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from dccausal._shared.json import json_text

# In the order in which they are run, as one script; each has one subject. These unpack, draw and let choose.
VIEWER = (
    "words.js",
    "look.js",
    "unpack.js",
    "outlines.js",
    "target.js",
    "draw.js",
    "tree.js",
    "curve.js",
    "slider.js",
    "details.js",
    "viewer.js",
)
SCRIPTS = (*VIEWER, "gallery.js", "main.js")
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def page_bytes(about: Mapping[str, Any], packed: Iterable[Mapping[str, Any] | None]) -> bytes:
    """
    Return the page, in ASCII.

    Parameters
    ----------
    about
        What the list says.
    packed
        What is unpacked of each photograph when it is looked at; None of one that failed.

    """
    style = report_asset("style.css")
    script = one_script(map(report_asset, SCRIPTS))
    head = filled(
        report_asset("page.html"),
        {
            "policy": policy(style, script),
            "style": style,
            "script": script,
            "viewer": report_asset("viewer.html"),
            "about": safe_json(about),
        },
    )
    parts = [head.encode("ascii")]
    for i, document in enumerate(packed):
        if document is not None:
            parts.append(_block(f"packed-{i}", document))
    parts.append(b"</body>\n</html>\n")
    return b"".join(parts)


def safe_json(document: Mapping[str, Any]) -> str:
    r"""
    Return JSON that may stand in a script element.

    It is ASCII, so U+2028 is ``\u2028`` as all others are; ``<``, ``>`` and ``&`` are escaped in the same way, so
    nothing in it can end the element.
    """
    return re.sub("[<>&]", lambda match: _ESCAPES[match.group()], json_text(document))


def _block(name: str, document: Mapping[str, Any]) -> bytes:
    return f'<script type="application/json" id="{name}">{safe_json(document)}</script>\n'.encode("ascii")


def one_script(parts: Iterable[str]) -> str:
    """Return scripts as one, of which nothing outside of it sees a name."""
    return "(() => {\n'use strict';\n" + "\n".join(parts) + "})();\n"


def policy(style: str, script: str, images: str = "data:", more: str = "") -> str:
    """
    Return the content security policy: this style and this script, and nothing from anywhere.

    Parameters
    ----------
    style, script
        What the page has of them, in ASCII.
    images
        Where images may come from.
    more
        Further directives.

    """
    return (
        f"default-src 'none'; script-src '{_source(script)}'; style-src '{_source(style)}'; img-src {images}; "
        f"base-uri 'none'; form-action 'none'{more}"
    )


def _source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("ascii")).digest()).decode("ascii")


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Return the template with its {{names}} replaced, in one pass: what is put in is not searched."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match.group(1)], template)


def report_asset(name: str) -> str:
    """Return a part of the page: a script, the style, the template, or the viewer in it."""
    return (files("dccausal") / "report" / "web" / name).read_text("ascii")
