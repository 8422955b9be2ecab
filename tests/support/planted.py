"""The planted classifiers of models/, made importable; the fixture ``planted`` writes their files."""

from make_planted import VARIANTS, Form, build, main, plant, write
from planted_rules import RULES, Rule
from planted_scenes import RED, Box, Planted

__all__ = ["RED", "RULES", "VARIANTS", "Box", "Form", "Planted", "Rule", "build", "main", "plant", "write"]
