"""The methods that can be compared, behind one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dccausal._evaluate_specs import MethodSpec
from dccausal.errors import OptionError
from dccausal.explain import explain

if TYPE_CHECKING:
    from dccausal.explanation import Explanation

Explain = Callable[..., "Explanation"]

_PROFILES = {"dc-causal": "default", "dc-causal-fast": "quick", "dc-causal-paper": "paper"}


def method_names() -> tuple[str, ...]:
    """Return the names of all methods."""
    return tuple(_PROFILES)


def check_method(spec: MethodSpec) -> None:
    """
    Check that there is such a method.

    Raises
    ------
    OptionError
        If there is none.

    """
    if spec.name not in method_names():
        raise OptionError(f"--methods has {spec.name!r}; one of {', '.join(method_names())} is needed")


def explain_by(spec: MethodSpec, image: Any, classifier: Any, **options: Any) -> Explanation:
    """Explain an image by a method; the options are those of ``explain``, after which the method's own come."""
    return explain(image, classifier, profile=_PROFILES[spec.name], **{**options, **spec.options})
