"""What a classifier is, what it may answer, and which label a user means."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dccausal._shared.text import said, shown
from dccausal.errors import ClassifierError, DccausalError, OptionError

_MIN_CLASSES = 2
_MAX_LISTED = 5
# What libraries call the scores in what a model returns.
_HOLDERS = ("logits", "probabilities", "probs", "scores", "predictions")
_MAX_DIGITS = 18  # of an index that is given as text
_MAX_INDEX = 1 << 63  # where the number of classes is not known
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@runtime_checkable
class Classifier(Protocol):
    """
    Anything that classifies batches of images: a function, a Keras model, a client of a remote server.

    It may also have ``names`` (a sequence of class names) and ``n_classes`` (an int); they let labels be
    given and shown by name, and be checked before the work.
    """

    def __call__(self, images: NDArray[np.uint8], /) -> Any:
        """
        Classify a batch.

        Parameters
        ----------
        images
            uint8 (N, H, W, 3) RGB. N varies from call to call. Only to be read, and only during the call.

        Returns
        -------
        array
            Scores (N, classes), higher meaning more likely, finite; or, from a classifier that does not give
            scores, integer labels (N,) of at least 0.

        """
        ...


def classify(classifier: Callable[..., Any], images: NDArray[np.uint8]) -> NDArray[Any]:
    """
    Ask the classifier about a batch and return its checked answer (see ``check_answer``).

    Raises
    ------
    ClassifierError
        If the classifier raises, or its answer is none. Errors of dccausal itself pass through unchanged.

    """
    answer = call(classifier, images, "scores (N, classes) or integer labels (N,)")
    return check_answer(answer, len(images))


def call(classifier: Callable[..., Any], images: NDArray[np.uint8], needed: str) -> Any:
    """
    Return what a callable answers, as it is.

    Raises
    ------
    ClassifierError
        If it raises. Errors of dccausal itself pass through unchanged.

    """
    try:
        return classifier(images)
    except DccausalError:
        raise
    except Exception as error:
        raise ClassifierError(
            f"the classifier raised {type(error).__name__}: {said(error)}; it was given {images.shape} "
            f"{images.dtype} and needs to return {needed}"
        ) from error


def check_answer(answer: Any, n: int) -> NDArray[Any]:
    """
    Check what a classifier returned for ``n`` images.

    Parameters
    ----------
    answer
        Anything that numpy turns into an array; or an object or dict that holds one as "logits", "probabilities",
        "probs" or "scores", as libraries of models return it.
    n
        Number of images that were asked about.

    Returns
    -------
    NDArray
        Scores (n, classes), float32 or float64 as given (float16, whole numbers and truth values become float32);
        or labels (n,) int64, of truth values 0 and 1.

    Raises
    ------
    ClassifierError
        If there is not one row for each image, if the shape or dtype is another, if there are fewer than two
        classes, if a score is NaN or infinite, or if a label is negative.

    """
    needed = f"scores ({n}, classes) or integer labels ({n},) are needed"
    try:
        answer = _held(answer, needed)
        array = np.asarray(answer)
    except DccausalError:
        raise
    except Exception as error:
        raise ClassifierError(
            f"the classifier returned {type(answer).__name__}, which is no array ({said(error)}); {needed}"
        ) from error
    if array.dtype == np.bool_:
        array = array.astype(np.int64 if array.ndim == 1 else np.float32)
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiu" or len(array) != n:
        raise ClassifierError(f"{_describe(array, n, answer)}; {needed}")
    if array.ndim == 1:
        return _check_labels(array, n)
    if array.shape[1] < _MIN_CLASSES:
        raise ClassifierError(
            f"{_describe(array, n)}; at least two columns are needed, [1 - p, p] for a yes or no"
        )
    if array.dtype not in _FLOATS:
        array = array.astype(np.float32)
    is_finite = np.isfinite(array)
    if not is_finite.all():
        raise not_finite(np.flatnonzero(~is_finite.all(axis=1)), n)
    return np.ascontiguousarray(array)


def not_finite(bad: int | NDArray[np.integer[Any]], n: int) -> ClassifierError:
    """
    Return the error about scores of ``n`` images, of which some have scores that are not finite.

    ``bad`` is their number, or their rows, which the error then keeps as ``rows``.
    """
    n_bad = bad if isinstance(bad, int) else len(bad)
    error: Any = ClassifierError(
        f"the classifier returned NaN or infinite scores for {n_bad} of {n} images; finite scores are needed"
    )
    error.rows = () if isinstance(bad, int) else tuple(int(row) for row in bad)
    found: ClassifierError = error
    return found


def _held(answer: Any, needed: str) -> Any:
    """Return the array that an answer is or holds."""
    if answer is None:
        raise ClassifierError(f"the classifier returned None (does it lack its return?); {needed}")
    if hasattr(answer, "__array__") or isinstance(answer, list):
        return answer
    if isinstance(answer, Mapping):
        found = next((answer[key] for key in _HOLDERS if key in answer), None)
        if found is None and len(answer) == 1:
            found = next(iter(answer.values()))
        if found is None:
            keys = ", ".join(shown(key) for key in list(answer)[:_MAX_LISTED])
            raise ClassifierError(f"the classifier returned a dict with the keys {keys}; {needed}")
        return found
    if isinstance(answer, tuple):
        kinds = ", ".join(str(getattr(part, "shape", type(part).__name__)) for part in answer[:_MAX_LISTED])
        if any(hasattr(part, "shape") and len(getattr(part, "shape", ())) for part in answer):
            raise ClassifierError(f"the classifier returned a tuple of {len(answer)} ({kinds}); {needed}")
        return answer
    return next((found for key in _HOLDERS if (found := getattr(answer, key, None)) is not None), answer)


def _describe(array: NDArray[Any], n: int, answer: Any = None) -> str:
    kind = f" ({type(answer).__name__})" if array.ndim == 0 and array.dtype == object else ""
    return f"the classifier returned {array.shape} {array.dtype}{kind} for {n} images"


def _check_labels(array: NDArray[Any], n: int) -> NDArray[np.int64]:
    what = _describe(array, n) if array.dtype.kind == "f" or (array.size and int(array.min()) < 0) else ""
    if array.dtype.kind == "f":
        raise ClassifierError(f"{what}; labels need to be integers, and scores two-dimensional (N, classes)")
    if array.size and int(array.min()) < 0:
        raise ClassifierError(f"{what}, the smallest {int(array.min())}; labels of at least 0 are needed")
    return array.astype(np.int64)


def resolve_label(
    target: int | str | None,
    names: Sequence[str] | None = None,
    n_classes: int | None = None,
    option: str = "target",
) -> int | None:
    """
    Return the index of the label that the user means; None stays None (the top label).

    A string is compared, without regard to case, with the whole names first, then with the synonyms of names
    that list several ("lesser panda, red panda"), and last read as a number. A part of a name is not enough:
    an explanation of a label that was not meant would be taken for the right one. ``option`` is what it is called.

    Raises
    ------
    OptionError
        If the index is out of range, if no name is like that (close ones are suggested), or if several are.

    """
    if target is None:
        return None
    if isinstance(target, int | np.integer) and not isinstance(target, bool):
        return _check_index(int(target), n_classes, option)
    if not isinstance(target, str):
        raise OptionError(f"{option} is {shown(target)}; the index or the name of a label is needed")
    wanted = target.strip().casefold()
    folded = [name.casefold() for name in names or ()]
    found = [i for i, name in enumerate(folded) if name == wanted]
    found = found or [i for i, name in enumerate(folded) if wanted in _synonyms(name)]
    if len(found) > 1:
        listed = ", ".join(f"{i} ({names[i]})" for i in found) if names else ""
        raise OptionError(f"{option} {shown(target)} names {len(found)} labels: {listed}; an index is needed")
    if found:
        return found[0]
    if wanted.isdecimal() and len(wanted) <= _MAX_DIGITS:
        return _check_index(int(wanted), n_classes, option)
    if not names:
        raise OptionError(
            f"{option} is {shown(target)}, but the names of the labels are unknown; an index is needed, "
            "or names (--labels FILE, labels=)"
        )
    raise OptionError(
        f"{option} {shown(target)} is not a label{_suggestion(wanted, names)}; a label's name or index is needed"
    )


def _synonyms(name: str) -> list[str]:
    return [part.strip() for part in name.split(",")]


def _check_index(index: int, n_classes: int | None, option: str) -> int:
    if not 0 <= index < (_MAX_INDEX if n_classes is None else n_classes):
        upper = f"0 to {n_classes - 1}" if n_classes is not None else "at least 0"
        raise OptionError(f"{option} is {shown(index)}; a label from {upper} is needed")
    return index


def _suggestion(wanted: str, names: Sequence[str]) -> str:
    """Return " (did you mean ...?)" with names that contain the words, or are spelt like them."""
    by_word = {word: name for name in names for word in (name.casefold(), *_synonyms(name.casefold()))}
    close = [name for name in names if wanted and wanted in name.casefold()]
    close += [by_word[word] for word in difflib.get_close_matches(wanted, by_word, n=_MAX_LISTED)]
    listed = list(dict.fromkeys(close))[:_MAX_LISTED]
    return f" (did you mean {', '.join(map(repr, listed))}?)" if listed else ""
