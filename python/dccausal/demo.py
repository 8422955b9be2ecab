"""The packaged photograph: a short way to ``assets.photo``."""

from dccausal.assets.photo import OCCLUSION, demo_occluded, demo_photo

__all__ = ["OCCLUSION", "demo_occluded", "demo_photo"]
