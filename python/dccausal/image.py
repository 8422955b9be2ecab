"""Photographs: a short way to ``inputs.photo``."""

from dccausal.inputs.photo import load_photo

__all__ = ["load_photo"]
