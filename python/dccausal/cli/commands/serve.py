"""The command ``serve``: a model in, a service out, until it is told to stop."""

from __future__ import annotations

from typing import Any

from dccausal.cli.failures import FINE
from dccausal.cli.loading import load_classifier
from dccausal.cli.terminal import Terminal
from dccausal.serving.app import KEY_VARIABLE, create_app
from dccausal.serving.limits import Limits
from dccausal.serving.server import bind, serve

_LOCAL = ("127.", "localhost", "::1")
_LIMITS = ("workers", "queue", "timeout", "max_calls", "max_pixels", "max_bytes", "grace")


def serve_command(**options: Any) -> int:
    """Serve until the process is told to stop; return the exit code."""
    terminal = Terminal(is_quiet=options["quiet"], is_debug=options["debug"])
    limits = Limits(**{name: options[name] for name in _LIMITS})
    bound = bind(options["host"], options["port"])
    with bound:
        classifier = load_classifier({**options, "threads": None}, terminal)
        app = create_app(classifier, limits=limits)
        host, port = bound.getsockname()[:2]
        if app.state.service.api_key is None and not options["host"].startswith(_LOCAL):
            terminal.note(
                f"note: whoever reaches {host} may ask; {KEY_VARIABLE} sets a key that is then needed"
            )
        where = f"[{host}]" if ":" in host else host
        terminal.note(f"serving on http://{where}:{port}/")
        serve(app, bound)
    return FINE
