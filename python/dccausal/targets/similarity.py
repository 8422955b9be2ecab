"""Similarity as the target: to a reference image, or to one of several references or prompts rather than the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.checks import finite_number
from dccausal.classifier import resolve_label
from dccausal.errors import ClassifierError, OptionError
from dccausal.targets.decoders.facts import sigmoid, softmax
from dccausal.targets.label import LabelTarget, choose_target
from dccausal.targets.target import Needs, Request

# By what CLIP multiplies cosines once it is trained.
_SCALE = 100.0
_RANK = 2


@dataclass(frozen=True, eq=False)
class SimilarityTarget:
    """
    Similarity to one reference.

    An answer passes while its cosine with the reference is at least half-way between that of the image with everything
    masked and that of the intact one. The score is the cosine, 0 where it is negative.

    Attributes
    ----------
    name
        What the reference is called.
    least
        The cosine from which on an answer passes.
    score
        The cosine on the intact image.

    """

    name: str
    least: float
    score: float
    label: int = 0
    top_k: int | None = None
    note: str | None = None

    def judge(self, answer: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Return, for each row of cosines (n, 1), whether it passes, and the cosine (n,)."""
        cosines = answer[:, 0]
        return cosines >= self.least, np.ascontiguousarray(np.maximum(cosines, 0), dtype=np.float32)

    def judge_ranks(
        self, ranks: NDArray[Any], scores: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Refuse: one reference has no rank."""
        raise ClassifierError(f"{len(ranks)} ranks and {len(scores)} scores were given; cosines are needed")

    def to_dict(self) -> dict[str, Any]:
        """Return what is explained as plain values."""
        return {
            "kind": "similarity",
            "title": f"like {self.name}",
            "words": f"cosine {self.score:.3f} with {self.name}; it counts as given from {self.least:.3f} on, "
            "half-way from the image with everything masked",
            "reference": self.name,
            "least_cosine": self.least,
        }


@dataclass(frozen=True, eq=False)
class ReferenceTarget(LabelTarget):
    """Which of several references an image is nearest to: a label whose scores come from cosines."""

    reference: str = ""
    n_references: int = 0

    def to_dict(self) -> dict[str, Any] | None:  # type: ignore[override]
        """Return what is explained as plain values."""
        return {
            "kind": "similarity",
            "title": f"{self.reference} ({self.label})",
            "words": f"nearest of {self.n_references} references, by their cosines",
            "reference": self.reference,
            "references": self.n_references,
        }


@dataclass(frozen=True, eq=False)
class Similarity:
    """
    Similarity to references, of which is asked where it comes from.

    Parameters
    ----------
    references
        Vectors (n, length), or images: paths, Pillow images or uint8 (H, W, 3), of which the model makes vectors. Text
        prompts are given by the vectors that the text tower makes of them. One reference is explained by itself,
        several against each other.
    which
        Which of several, by name or index; by default the nearest one.
    names
        What the references are called.
    scale
        By what cosines are multiplied before the softmax over several references; 100, as in CLIP.
    bias
        Where given, each reference has a probability of its own, sigmoid(scale * cosine + bias), as in SigLIP.
    projection
        Matrix (length of references, length of the model's embedding): what brings the embedding into the references'
        space where the export leaves that out, as ``visual_projection`` of CLIP.

    Raises
    ------
    OptionError
        If a value is out of its range, or the shapes do not go together.

    """

    references: Any
    which: int | str | None = None
    names: Sequence[str] | None = None
    scale: float = _SCALE
    bias: float | None = None
    projection: NDArray[np.floating] | None = None
    vectors: NDArray[np.float32] | None = field(default=None, repr=False)

    needs: ClassVar[Needs] = "embeddings"

    def __post_init__(self) -> None:
        """Check what was given; vectors are taken, images wait for the model."""
        if finite_number("scale", self.scale) <= 0:
            raise OptionError(f"scale is {self.scale}; more than 0 is needed")
        if self.bias is not None:
            finite_number("bias", self.bias)
        given = self.references
        is_array = isinstance(given, np.ndarray) and given.dtype.kind == "f"
        if is_array:
            rows = np.atleast_2d(given)
            if rows.ndim != _RANK or not np.isfinite(rows).all() or not np.abs(rows).sum(axis=1).all():
                raise OptionError(
                    f"references are {given.shape}; vectors (n, length), finite and not 0, are needed"
                )
            object.__setattr__(self, "vectors", rows.astype(np.float32))
        n = self.n_references
        if n == 0 or (self.names is not None and len(self.names) != n):
            raise OptionError(
                f"{len(self.names or ())} names for {n} references were given; as many are needed"
            )

    @property
    def images(self) -> list[Any]:
        """The references that are images."""
        if self.vectors is not None:
            return []
        return list(self.references) if isinstance(self.references, list | tuple) else [self.references]

    @property
    def n_references(self) -> int:
        """Number of references."""
        return len(self.images) if self.vectors is None else len(self.vectors)

    def embedded(self, embed: Callable[[Any], NDArray[np.float32]]) -> Similarity:
        """Return the same with the vectors of its images, which ``embed`` makes."""
        from dataclasses import replace

        if self.vectors is not None:
            return self
        made = replace(self)
        object.__setattr__(made, "vectors", np.stack([embed(image) for image in self.images]))
        object.__setattr__(made, "projection", None)
        return made

    def check(self, names: Sequence[str] | None, n_classes: int | None) -> None:  # noqa: ARG002  the model's do not count
        """Do nothing if there is such a reference."""
        resolve_label(self.which, self.names, self.n_references)

    def read(self, answer: Any, n: int) -> NDArray[np.float32]:
        """
        Return scores (n, references) of embeddings (n, length); of one reference the cosine with it.

        Raises
        ------
        ClassifierError
            If they are of another shape, or not finite.

        """
        if self.vectors is None:
            raise ClassifierError("the references have no vectors yet; a model has to make them")
        own = np.asarray(answer, dtype=np.float32)
        if own.ndim != _RANK or len(own) != n or not np.isfinite(own).all():
            raise ClassifierError(
                f"the model returned {own.shape} for {n} images; finite embeddings ({n}, length) are needed"
            )
        if self.projection is not None:
            matrix = np.asarray(self.projection, dtype=np.float32)
            if matrix.ndim != _RANK or matrix.shape[1] != own.shape[1]:
                raise OptionError(
                    f"projection is {matrix.shape}; (length of references, {own.shape[1]}) is needed"
                )
            own = own @ matrix.T
        length = self.vectors.shape[1]
        if own.shape[1] != length:
            raise OptionError(
                f"the model's embedding has {own.shape[1]} numbers, the references have {length}; references of the "
                "same model, or its projection (visual_projection), are needed"
            )
        cosines = _unit(own) @ _unit(self.vectors).T
        if self.n_references == 1 and self.bias is None:
            return cosines
        if self.bias is not None:
            return sigmoid(cosines * np.float32(self.scale) + np.float32(self.bias))
        return softmax(cosines * np.float32(self.scale))

    def choose(self, answer: NDArray[np.float32], request: Request) -> SimilarityTarget | ReferenceTarget:
        """
        Return the target, from what is said of the intact image.

        Raises
        ------
        OptionError
            If the image is no more like the only reference than one with everything masked.

        """
        if answer.shape[1] == 1:
            return self._only(answer, request)
        label = resolve_label(self.which, self.names, self.n_references)
        chosen = choose_target(answer, label, None, multi_label=False, needs_scores=request.needs_scores)
        name = f"reference {chosen.label}" if self.names is None else self.names[chosen.label]
        return ReferenceTarget(
            chosen.label, chosen.top_k, chosen.score, chosen.least, chosen.note, name, self.n_references
        )

    def _only(self, answer: NDArray[np.float32], request: Request) -> SimilarityTarget:
        name = "the reference" if self.names is None else self.names[0]
        own, blank = float(answer[0, 0]), float(request.blank[0, 0])
        if own <= max(0.0, blank):
            raise OptionError(
                f"the photograph has a cosine of {own:.3f} with {name}, no more than an image with everything masked "
                f"({blank:.3f}); a reference that it is like, or another baseline, is needed"
            )
        return SimilarityTarget(name, (own + blank) / 2, own)

    def to_dict(self) -> dict[str, Any]:
        """Return what was asked for as plain values."""
        return {
            "kind": "similarity",
            "references": self.n_references,
            "which": self.which,
            "names": None if self.names is None else list(self.names),
            "scale": self.scale,
            "bias": self.bias,
        }


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.maximum(lengths, np.float32(1e-12))).astype(np.float32)
    return unit
