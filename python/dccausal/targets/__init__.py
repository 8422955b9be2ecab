"""What is explained, and when an answer still gives it."""

from dccausal.targets.box import Box
from dccausal.targets.custom import Custom
from dccausal.targets.label import LabelTarget, choose_target, rank_of
from dccausal.targets.named import Label
from dccausal.targets.region import Region
from dccausal.targets.similarity import Similarity
from dccausal.targets.target import Request, Subject, Target

__all__ = [
    "Box",
    "Custom",
    "Label",
    "LabelTarget",
    "Region",
    "Request",
    "Similarity",
    "Subject",
    "Target",
    "choose_target",
    "rank_of",
]
