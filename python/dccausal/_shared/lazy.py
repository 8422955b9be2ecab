"""Public names of a package that are loaded when they are first asked for, so that help need not wait for NumPy."""

import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """
    Return a package's ``__getattr__`` and ``__dir__``.

    Parameters
    ----------
    package
        The package's ``__name__``.
    homes
        Each public name, and the module below the package that has it.

    """
    namespace = vars(sys.modules[package])

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        value = namespace[name] = getattr(import_module(f"{package}.{homes[name]}"), name)
        return value

    def names() -> list[str]:
        return sorted({*namespace, *homes})

    return load, names
