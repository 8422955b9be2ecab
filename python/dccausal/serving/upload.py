"""Reading a request: who asks, what is wanted, the photograph and the options, each within its limit."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from dccausal._shared.text import said, shown
from dccausal.serving.answers import PICTURES
from dccausal.serving.limits import Limits
from dccausal.serving.options import read_options

if TYPE_CHECKING:
    from starlette.requests import Request

PHOTO, BASELINE, PICTURE, DRAWN = "photo", "baseline", "picture", "drawn"
EVENTS, JSON, PNG = "text/event-stream", "application/json", "image/png"

_WANTS = {JSON: "json", EVENTS: "events", PNG: "picture"}
# Of the parts of a form beside the photograph.
_MORE_BYTES, _MOST_PARTS, _MOST_PART = 100_000, 200, 10_000
# What is read, and for how long, of a request that is turned away: its sender may not listen before it is done.
_DRAINED_BYTES, _DRAINED_S = 2_000_000, 2.0


class RefusedError(Exception):
    """
    A request that is not taken.

    Parameters
    ----------
    status
        The HTTP status.
    text
        Why.
    retry_after
        Seconds after which it may be tried again; None where that would not help.

    """

    def __init__(self, status: int, text: str, retry_after: int | None = None) -> None:
        """Take what is answered."""
        super().__init__(text)
        self.status, self.retry_after = status, retry_after


@dataclass(frozen=True)
class Upload:
    """
    What a request brings.

    Attributes
    ----------
    photo, baseline
        Files that are open for reading; the second may be missing.
    options
        Options of ``explain``.
    picture
        Which picture is wanted, where one is.
    is_drawn
        Whether what a page draws from is wanted.

    """

    photo: BinaryIO
    baseline: BinaryIO | None
    options: dict[str, Any]
    picture: str
    is_drawn: bool


def check_key(request: Request, key: str | None) -> None:
    """
    Check that a request brings the key: as ``Authorization: Bearer KEY`` or as ``X-API-Key: KEY``.

    Raises
    ------
    RefusedError
        If it does not, or comes from a page of another site.

    """
    # Browsers tell the site to addresses with TLS and to this machine, and the origin of what a page sends to any.
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    is_own = origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    if site not in ("none", "same-origin") or not is_own:
        raise RefusedError(403, "this comes from a page of another site; one of this service's own is needed")
    if key is None:
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not hmac.compare_digest(given.encode("latin-1"), key.encode()):
        raise RefusedError(401, "the API key is missing or wrong; Authorization: Bearer KEY is needed")


def wanted(request: Request) -> str:
    """
    Return what a request accepts: "json", "events" or "picture".

    Raises
    ------
    RefusedError
        If it accepts none of them.

    """
    ranges = []
    for part in request.headers.get("accept", "*/*")[:1000].split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        with contextlib.suppress(ValueError):
            ranges.append((float(quality), kind))
    for weight, kind in sorted(ranges, key=lambda one: -one[0]):
        for known, name in _WANTS.items():
            is_fit = kind in (known, "*/*", known.partition("/")[0] + "/*")
            if weight > 0 and is_fit:
                return name
    raise RefusedError(406, f"one of {', '.join(_WANTS)} is answered; Accept has none of them")


async def read_upload(request: Request, limits: Limits) -> Upload:
    """
    Read the form of a request.

    Raises
    ------
    RefusedError
        If it is too long, takes too long, or is none.
    OptionError
        If an option is none, or not of its kind.

    """
    from starlette.datastructures import UploadFile
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, Request

    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise RefusedError(415, f"multipart/form-data is needed, with the photograph as the file {PHOTO!r}")
    counted = Request(request.scope, _limited(request, limits.max_bytes + _MORE_BYTES))
    try:
        async with asyncio.timeout(limits.upload_timeout):
            form = await counted.form(max_files=2, max_fields=_MOST_PARTS, max_part_size=_MOST_PART)
    except TimeoutError as error:
        raise RefusedError(408, f"the upload took more than {limits.upload_timeout:g} s") from error
    except HTTPException as error:  # of a form that is damaged
        raise RefusedError(400, f"the form cannot be read ({error.detail})") from error
    except (RefusedError, ClientDisconnect):
        raise
    except Exception as error:  # damaged forms may raise what they like
        raise RefusedError(400, f"the form cannot be read ({said(error)})") from error
    try:
        return _taken(request, form, UploadFile, limits)
    except BaseException:
        await form.close()
        raise


def _taken(request: Request, form: Any, file_kind: type, limits: Limits) -> Upload:
    texts: dict[str, str] = {}
    files: dict[str, Any] = {}
    for name, value in (*request.query_params.multi_items(), *form.multi_items()):
        if name in texts or name in files:
            raise RefusedError(422, f"{shown(name)} is given twice; once is needed")
        if isinstance(value, file_kind):
            files[name] = value
        else:
            texts[name] = value
    photo = files.pop(PHOTO, None)
    baseline = files.pop(BASELINE, None)
    if photo is None or files:
        more = f"; there is no file {shown(next(iter(files)))}" if files else ""
        raise RefusedError(422, f"a file {PHOTO!r}, the photograph, is needed{more}")
    for file in (photo, baseline):
        if file is not None and (file.size or 0) > limits.max_bytes:
            raise too_long(limits.max_bytes)
    picture = texts.pop(PICTURE, PICTURES[0])
    if picture not in PICTURES:
        raise RefusedError(422, f"picture is {shown(picture)}; one of {', '.join(PICTURES)} is needed")
    is_drawn = texts.pop(DRAWN, "") == "true"
    return Upload(photo.file, baseline.file if baseline else None, read_options(texts), picture, is_drawn)


def too_long(most: int) -> RefusedError:
    """Return what is answered where more bytes come than are taken."""
    return RefusedError(413, f"the upload is too long; at most {most:,} bytes are taken")


def _limited(request: Request, most: int) -> Any:
    """Return what gives the parts of a request's body, until there are more bytes than allowed."""
    n_read = 0

    async def receive() -> Any:
        nonlocal n_read
        message = await request.receive()
        n_read += len(message.get("body", b""))
        if n_read > most:
            raise too_long(most - _MORE_BYTES)
        return message

    return receive


def check_length(request: Request, limits: Limits) -> None:
    """
    Check the length that a request's head tells.

    Raises
    ------
    RefusedError
        If it is too long.

    """
    length = request.headers.get("content-length", "0")
    if not (length.isdecimal() and len(length) < 20 and int(length) <= limits.max_bytes + _MORE_BYTES):  # noqa: PLR2004
        raise too_long(limits.max_bytes)


async def drain(request: Request) -> None:
    """Read what is left of a request that is turned away, unless that is much."""
    n_read = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAINED_S):
            while n_read < _DRAINED_BYTES:
                message = await request.receive()
                n_read += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
