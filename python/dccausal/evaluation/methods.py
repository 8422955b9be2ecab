"""The methods that an evaluation runs: those of ``dccausal.methods``, as the command line names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dccausal.engine.profiles import Profile
from dccausal.errors import OptionError
from dccausal.evaluation.specs import MethodSpec
from dccausal.methods import METHODS, explain_with

if TYPE_CHECKING:
    from dccausal.explanation.explanation import Explanation

# Options that belong to the extraction, whatever the method; ``explain_with`` checks them.
_COMMON = ("grid", "max_calls", "top_k", "kind", "other", "n", "overlap", "within")


def check_method(spec: MethodSpec) -> None:
    """
    Check that there is such a method and that it has such options.

    Raises
    ------
    OptionError
        If not.

    """
    method = METHODS.get(spec.name)
    if method is None:
        raise OptionError(f"--methods has {spec.name!r}; one of {', '.join(METHODS)} is needed")
    try:
        method.check(**{name: value for name, value in spec.options.items() if name not in _COMMON})
    except OptionError as error:
        raise OptionError(f"--methods has {spec.text!r}: {error}") from error


def is_causal(spec: MethodSpec) -> bool:
    """Return whether a method is the causal search, by one of its profiles."""
    return METHODS[spec.name].options is Profile


def explain_by(spec: MethodSpec, image: Any, classifier: Any, **options: Any) -> Explanation:
    """Explain an image by a method; its own options go before the others. Ctrl-C is raised."""
    return explain_with(spec.name, image, classifier, on_interrupt="raise", **{**options, **spec.options})
