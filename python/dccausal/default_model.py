"""The default model: a short way to ``assets.default_model``."""

from dccausal._shared.cache import cache_folder
from dccausal.assets.default_model import MODEL_SHA256, class_names, default_model

__all__ = ["MODEL_SHA256", "cache_folder", "class_names", "default_model"]
