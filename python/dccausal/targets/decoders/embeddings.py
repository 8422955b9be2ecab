"""Embeddings: one vector for an image, by the names that exporters give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dccausal.targets.decoders.facts import Facts, Outputs, called, with_batch

# As exporters call the vector of a whole image, the most telling first.
_VECTORS: Sequence[str] = (
    *("image_embeds", "image_embedding", "image_embeddings", "image_features"),
    *(
        "sentence_embedding",
        "embeddings",
        "embedding",
        "embeds",
        "features",
        "feature",
        "pooler_output",
        "pooled",
    ),
)
_TOKENS: Sequence[str] = ("last_hidden_state", "hidden_states", "tokens", "hidden_state")


@dataclass(frozen=True)
class Embedding:
    """
    Reads one output as a vector for each image.

    Attributes
    ----------
    output
        Its name.
    how
        "vector"; "first token" of a transformer's tokens; "mean" over places of a convolutional network, "mean token"
        where a transformer has a token for each place and no other (Swin).
    family
        Which exports are read so.
    is_last
        Whether the channels of places are the last axis (TensorFlow, Swin of timm), not the second.

    """

    output: str
    how: str
    family: str
    is_last: bool = False
    gives: str = "embeddings"

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs that are read."""
        return (self.output,)

    def decode(self, outputs: Outputs, n: int, size: tuple[int, int]) -> NDArray[np.float32]:  # noqa: ARG002
        """Return the embeddings of ``n`` images, float32 (n, length)."""
        value = outputs[self.output].astype(np.float32)
        if self.how == "first token":
            return with_batch(value, 3)[:, 0]
        if self.how == "mean token":
            tokens: NDArray[np.float32] = with_batch(value, 3).mean(axis=1, dtype=np.float32)
            return tokens
        if self.how == "mean":
            value = np.moveaxis(value, -1, 1) if self.is_last else value
            mean: NDArray[np.float32] = value.reshape(n, value.shape[1], -1).mean(axis=2, dtype=np.float32)
            return mean
        return value.reshape(n, -1)


def embedding(facts: Facts, *, is_wanted: bool = False) -> Embedding | None:
    """
    Return the decoder of an embedding; None where there is none.

    ``is_wanted`` takes an output without a telling name too.
    """
    named = {called(name): name for name, value in facts.outputs.items() if value.dtype.kind == "f"}
    if "logits_per_image" in named and not is_wanted:
        return None
    for word in _VECTORS:
        if word in named and _is_vector(facts.outputs[named[word]]):
            return Embedding(named[word], "vector", f"the vector {named[word]}")
    for word in _TOKENS:
        value = facts.outputs[named[word]] if word in named else None
        if value is not None and value.ndim == 3:  # noqa: PLR2004
            if _are_places(value.shape[1], facts.size):
                return Embedding(named[word], "mean token", f"the mean of {named[word]} over its tokens")
            return Embedding(named[word], "first token", f"the first token of {named[word]}")
        if value is not None and value.ndim == 4:  # noqa: PLR2004
            return _mean(named[word], facts)
    return _any_vector(facts, list(named.values())) if is_wanted else None


def _any_vector(facts: Facts, names: Sequence[str]) -> Embedding | None:
    """Return the first output that is a vector, else the features of most channels: those are the deepest."""
    vector = next((name for name in names if _is_vector(facts.outputs[name])), None)
    if vector is not None:
        return Embedding(vector, "vector", f"the vector {vector}")
    features = [name for name in names if facts.outputs[name].ndim == 4]  # noqa: PLR2004
    if not features:
        return None
    found = [_mean(name, facts) for name in features]
    return max(found, key=lambda one: facts.outputs[one.output].shape[3 if one.is_last else 1])


def _mean(name: str, facts: Facts) -> Embedding:
    """Return the mean of features over their places, which have the image's proportions."""
    (_, *shape), (height, width) = facts.outputs[name].shape, facts.size
    first, second, third = shape
    is_last = first * width == second * height and second * width != third * height
    return Embedding(name, "mean", f"the mean of {name} over its places", is_last)


def _are_places(n_tokens: int, size: tuple[int, int]) -> bool:
    """Return whether there are as many tokens as square patches of the image: then none stands for all of it."""
    height, width = size
    sides = range(1, min(size) + 1)
    return n_tokens > 1 and any(
        height % side == width % side == 0 and (height // side) * (width // side) == n_tokens
        for side in sides
    )


def _is_vector(value: NDArray[np.generic]) -> bool:
    return (
        value.ndim >= 1 and value.size > 1 and sum(side > 1 for side in value.shape[1:] or value.shape) == 1
    )
