"""Planted occlusions: a short way to ``evaluation.plant``."""

from dccausal.evaluation.plant import SHAPES, Occlusion, occlude, read_picture

__all__ = ["SHAPES", "Occlusion", "occlude", "read_picture"]
