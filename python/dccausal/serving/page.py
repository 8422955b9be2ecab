"""The page of a service: the report's scripts and style, and its own, in one file that asks this service alone."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from dccausal.report.page import VIEWER, filled, one_script, policy, report_asset, safe_json

# After the report's viewer.
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
    script = one_script([*map(report_asset, VIEWER), *map(_asset, SCRIPTS)])
    page = filled(
        _asset("page.html"),
        {
            "style": style,
            "script": script,
            "viewer": report_asset("viewer.html"),
            "about": safe_json(about),
        },
    )
    allowed = policy(style, script, "data: blob:", "; connect-src 'self'; frame-ancestors 'none'")
    return page.encode("ascii"), allowed


def _asset(name: str) -> str:
    return (files("dccausal") / "serving" / "web" / name).read_text("ascii")
