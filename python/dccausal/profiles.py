"""Profiles: a short way to ``engine.profiles``."""

from dccausal.engine.profiles import PROFILES, Profile

__all__ = ["PROFILES", "Profile"]
