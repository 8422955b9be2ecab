"""Any function of a model's outputs as the target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.text import said
from dccausal.errors import ClassifierError, DccausalError, OptionError
from dccausal.targets.target import Needs, Request


@dataclass(frozen=True, eq=False)
class CustomTarget:
    """
    What two functions of the outputs say.

    Attributes
    ----------
    of
        The functions.
    score
        The score on the intact image.

    """

    of: Custom
    score: float
    label: int = 0
    top_k: int | None = None
    note: str | None = None

    def judge(self, answer: Any) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Return, for each image, whether the outputs pass, and their score (n,)."""
        return self.of.judged(answer)

    def judge_ranks(
        self, ranks: NDArray[Any], scores: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Refuse: a function of outputs is given outputs."""
        raise ClassifierError(f"{len(ranks)} ranks and {len(scores)} scores were given; outputs are needed")

    def to_dict(self) -> dict[str, Any]:
        """Return what is explained as plain values."""
        return {
            "kind": "function",
            "title": self.of.title,
            "words": f"what the function {self.of.title} says",
        }


@dataclass(frozen=True, eq=False)
class Custom:
    """
    Any function of a model's outputs, to be explained.

    Parameters
    ----------
    score
        Of the outputs for n images, to (n,) numbers, at least 0 where shares of the score are to be kept. The outputs
        are what the callable returns; or, of an ONNX model, a dict of arrays by name.
    passes
        The same to (n,) truth values: whether what is to be explained is still given.
    title
        What it is called in results.

    Examples
    --------
    >>> import numpy as np
    >>> from dccausal import explain
    >>> from dccausal.targets import Custom
    >>> photo = np.zeros((64, 64, 3), np.uint8)
    >>> photo[40:48, 8:16, 0] = 255
    >>> def measure(images):
    ...     return {"redness": images[:, 40:48, 8:16, 0].mean(axis=(1, 2)) / 255}
    >>> red = Custom(score=lambda out: out["redness"], passes=lambda out: out["redness"] > 0.7, title="redness")
    >>> explanation = explain(photo, measure, target=red, grid=8)
    >>> explanation.outcome, round(float(explanation.size), 3)
    ('minimal', 0.016)

    """

    score: Callable[[Any], Any]
    passes: Callable[[Any], Any]
    title: str = "function"

    needs: ClassVar[Needs] = "anything"

    def __post_init__(self) -> None:
        """Check that both can be called."""
        for name in ("score", "passes"):
            if not callable(getattr(self, name)):
                raise OptionError(f"{name} is {getattr(self, name)!r}; a function of the outputs is needed")

    def check(self, names: Sequence[str] | None, n_classes: int | None) -> None:
        """Do nothing: the functions know what there may be."""

    def read(self, answer: Any, n: int) -> Any:  # noqa: ARG002  the functions know how many
        """Return what a callable gave, as it is."""
        return answer

    def choose(self, answer: Any, request: Request) -> CustomTarget:  # noqa: ARG002  nothing else counts
        """
        Return the target.

        Raises
        ------
        OptionError
            If the intact image does not pass.

        """
        is_passing, scores = self.judged(answer)
        if not is_passing[0]:
            raise OptionError(
                f"{self.title} does not pass on the photograph itself; a target that it passes is needed"
            )
        return CustomTarget(self, float(scores[0]))

    def judged(self, answer: Any) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """
        Return whether outputs pass, and their score.

        Raises
        ------
        ClassifierError
            If a function raises, or gives something else than a value an image.

        """
        results = []
        for name, function in (("passes", self.passes), ("score", self.score)):
            try:
                found = np.asarray(function(answer))
            except DccausalError:
                raise
            except Exception as error:
                raise ClassifierError(
                    f"{name} of {self.title} raised {type(error).__name__}: {said(error)}; it is given the outputs"
                ) from error
            if found.ndim != 1 or found.dtype.kind not in "bfiu" or not np.isfinite(found).all():
                raise ClassifierError(
                    f"{name} of {self.title} gave {found.shape} {found.dtype}; (n,) finite values are needed"
                )
            results.append(found)
        return results[0].astype(np.bool_), np.ascontiguousarray(results[1], dtype=np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return what was asked for as plain values."""
        return {"kind": "function", "title": self.title}
