"""What the kinds of explanation are called, apart from what they hold: the command line's help loads nothing else."""

from __future__ import annotations

from typing import Literal, get_args

KindName = Literal["sufficient", "several", "contrastive", "necessary", "why-not", "complete"]
KINDS: tuple[KindName, ...] = get_args(KindName)
