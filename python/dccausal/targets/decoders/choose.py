"""Which decoder reads a model's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dccausal.targets.decoders.embeddings import embedding
from dccausal.targets.decoders.facts import Decoder, Facts
from dccausal.targets.decoders.listed import rows, triple
from dccausal.targets.decoders.queries import queries
from dccausal.targets.decoders.segmenters import segmenter
from dccausal.targets.decoders.yolo import yolo_head

# The first that recognises the outputs reads them; what says most about itself comes first.
_FINDERS: Sequence[Callable[[Facts], Decoder | None]] = (
    triple,
    queries,
    rows,
    yolo_head,
    segmenter,
    embedding,
)


def find_decoder(facts: Facts, gives: str | None = None) -> Decoder | None:
    """Return the decoder of a model's outputs that gives what is wanted; None where they are nothing that is known."""
    if gives == "embeddings":
        return embedding(facts, is_wanted=True)
    found = (find(facts) for find in _FINDERS)
    return next((one for one in found if one is not None and gives in (None, one.gives)), None)
