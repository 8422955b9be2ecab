"""Gradients and relevance of ONNX classifiers, as ONNX models."""

from __future__ import annotations

from dccausal.gradients.build import gradient_model

__all__ = ["gradient_model"]
