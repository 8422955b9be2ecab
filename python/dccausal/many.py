"""Many images: a short way to ``engine.many``."""

from dccausal.engine.many import explain_many

__all__ = ["explain_many"]
