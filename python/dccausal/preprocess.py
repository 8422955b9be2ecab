"""Preprocessing: a short way to ``inputs.preprocess``."""

from dccausal.inputs.preprocess import Placement, Preprocess

__all__ = ["Placement", "Preprocess"]
