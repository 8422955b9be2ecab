"""Where a model on a server is: from a URL to host, model and version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

from dccausal._shared.text import shown
from dccausal.errors import OptionError

SCHEMES = ("http", "https", "grpc", "grpcs")
_NEEDED = "http://HOST:PORT/v2/models/NAME is needed (or https, grpc, grpcs)"


@dataclass(frozen=True)
class Address:
    """
    A model's address.

    Attributes
    ----------
    scheme
        "http", "https", "grpc" or "grpcs".
    host
        Host and port, with what comes before /v2 in the path.
    model, version
        Names; the version is empty where the server is to choose.

    """

    scheme: str
    host: str
    model: str
    version: str = ""

    @classmethod
    def of(cls, url: str, model: str | None = None, version: str | None = None) -> Self:
        """
        Read an address.

        Parameters
        ----------
        url
            http://HOST:PORT, or that with /v2/models/NAME, and with /versions/VERSION.
        model, version
            Where the URL does not have them.

        Raises
        ------
        OptionError
            If it is none, or has no model's name.

        """
        try:
            parts = urlsplit(url)
            is_whole = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
        except (ValueError, AttributeError, TypeError):
            is_whole = False
        if not is_whole or parts.query or parts.fragment or parts.username is not None:
            raise OptionError(f"model is {shown(url)}, which is no address of a server; {_NEEDED}")
        before, found, rest = parts.path.rstrip("/").partition("/v2/models/")
        steps = [unquote(step) for step in rest.split("/")] if found else []
        if found and (len(steps) not in (1, 3) or (len(steps) > 1 and steps[1] != "versions") or "" in steps):
            raise OptionError(f"model is {shown(url)}, whose path is no model's; {_NEEDED}")
        named = steps[0] if steps else model
        if not named:
            raise OptionError(f"model is {shown(url)}, without a model's name; {_NEEDED}")
        if steps and model not in (None, steps[0]):
            raise OptionError(f"model is {shown(url)} and {shown(model)} at once; one name is needed")
        base = (before if found else parts.path.rstrip("/")).removesuffix("/v2")
        if base and parts.scheme.startswith("grpc"):
            raise OptionError(f"model is {shown(url)}; gRPC has no path before /v2, so none is needed")
        return cls(parts.scheme, parts.netloc + base, named, steps[2] if len(steps) > 1 else version or "")

    @property
    def server(self) -> str:
        """The server's own URL."""
        return f"{self.scheme}://{self.host}"

    @property
    def url(self) -> str:
        """The model's URL."""
        version = f"/versions/{self.version}" if self.version else ""
        return f"{self.server}/v2/models/{self.model}{version}"


def is_address(model: object) -> bool:
    """Return whether what a user gives as a model is the address of one on a server."""
    return isinstance(model, str) and model.partition("://")[0] in SCHEMES and "://" in model
