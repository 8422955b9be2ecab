"""Many images in a notebook: ``explain_many`` with a bar below the cell."""

from __future__ import annotations

import html
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TYPE_CHECKING, Any

from dccausal.engine.many import explain_many as _explain_many
from dccausal.errors import RuntimeMissingError

if TYPE_CHECKING:
    from dccausal.classifier import Classifier
    from dccausal.engine.options import Photo
    from dccausal.engine.progress import Progress
    from dccausal.errors import DccausalError
    from dccausal.explanation.explanation import Explanation

__all__ = ["explain_many"]

_EVERY_S = 0.2


def explain_many(
    images: Iterable[Photo],
    classifier: str | os.PathLike[str] | Classifier,
    *,
    total: int | None = None,
    **options: Any,
) -> Iterator[tuple[int, Explanation | DccausalError]]:
    """
    Explain many images, and show a bar with rate and time left while it goes on.

    The bar is a piece of HTML that IPython shows and replaces, so it needs no extension and stays, finished, in the
    saved notebook. Outside of a notebook there is none.

    Parameters
    ----------
    images, classifier, options
        As for ``dccausal.explain_many``.
    total
        How many images there are, where ``images`` does not tell by its length.

    Returns
    -------
    Iterator
        What ``dccausal.explain_many`` gives.

    Raises
    ------
    RuntimeMissingError
        If IPython is not installed; at once.
    OptionError, ModelError, DeviceError
        As ``dccausal.explain_many``; at once.

    """
    try:
        from IPython import get_ipython
        from IPython.display import HTML, display
    except ImportError as error:
        raise RuntimeMissingError(
            'the package IPython is not installed; a notebook needs it: pip install "dccausal[notebook]"'
        ) from error
    if total is None and isinstance(images, Sized):
        total = len(images)
    bar = _Bar(total, options.pop("progress", None))
    found = _explain_many(images, classifier, progress=bar.progress, **options)
    if getattr(get_ipython(), "kernel", None) is not None:
        handle = display(HTML(bar.html()), display_id=True)
        bar.show = lambda text: handle.update(HTML(text))
    return bar.follow(found)


class _Bar:
    """
    How far a run is, as HTML.

    Parameters
    ----------
    total
        Number of images, if it is known.
    progress
        The user's own, called as well.

    """

    def __init__(self, total: int | None, progress: Callable[[Progress], object] | None) -> None:
        self.show: Callable[[str], object] = str
        self._total, self._progress = total, progress
        self._n_done = self._n_failed = 0
        self._working = ""
        self._started = self._shown = time.monotonic()

    def progress(self, progress: Progress) -> None:
        """Take note of what an image in work reports."""
        if self._progress is not None:
            self._progress(progress)
        self._working = f"image {progress.index}: {progress.phase}, {progress.n_calls:,} model calls"
        if time.monotonic() - self._shown >= _EVERY_S:
            self._draw()

    def follow(
        self, found: Iterator[tuple[int, Explanation | DccausalError]]
    ) -> Iterator[tuple[int, Explanation | DccausalError]]:
        """Hand on each result, counted."""
        try:
            for index, result in found:
                self._n_done += 1
                self._n_failed += isinstance(result, Exception)
                self._draw()
                yield index, result
        finally:
            self._working = ""
            self._draw()
            close = getattr(found, "close", None)
            if close is not None:
                close()

    def _draw(self) -> None:
        self._shown = time.monotonic()
        self.show(self.html())

    def html(self) -> str:
        """Return the bar as a fragment that loads nothing."""
        from dccausal._shared.text import duration

        seconds = time.monotonic() - self._started
        of = "" if self._total is None else f" of {self._total:,}"
        parts = [f"{self._n_done:,}{of} images"]
        if self._n_failed:
            parts.append(f"{self._n_failed:,} failed")
        if self._n_done:
            parts.append(f"{60 * self._n_done / max(seconds, 1e-3):.3g} a minute")
            left = (self._total or 0) - self._n_done
            if left > 0:
                parts.append(f"{duration(left * seconds / self._n_done)} left")
        if self._working:
            parts.append(self._working)
        value = "" if self._total is None else f' value="{self._n_done}" max="{max(self._total, 1)}"'
        return f"<progress{value}></progress> <span>{html.escape(', '.join(parts))}</span>"
