"""A run as one page of HTML."""

from typing import TYPE_CHECKING

from dccausal._shared.lazy import lazily

if TYPE_CHECKING:
    from dccausal.report.write import write_report

_HOMES = {
    "write_report": "write",
}

__all__ = [
    "write_report",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
