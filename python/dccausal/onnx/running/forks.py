"""
What becomes of sessions where a process forks: their threads stay behind in the parent.

In the child a run would wait for them for ever, and so may closing the session, or it crashes. So sessions of the
parent are never closed there, and ``Runner`` opens the model anew when it is asked for the first time.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any, Protocol
from weakref import WeakSet


class Forked(Protocol):
    """What holds sessions."""

    def left_behind(self) -> list[Any]:
        """Note that this is a forked child; return the sessions that must not be closed in it."""
        ...


_held: WeakSet[Any] = WeakSet()


def watch(holder: Forked) -> None:
    """Have ``left_behind`` called in each child that is forked while the holder lives."""
    _held.add(holder)


def _keep_open() -> None:
    for holder in list(_held):
        for session in holder.left_behind():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))  # for good: even at the end it stays


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_open)
