"""
Just enough of protobuf's wire format to read a message and to write it back with parts changed.

A message is a sequence of fields, each a tag (number and wire type) and a value. What is not understood is
copied as it is, so nothing is lost that another version of ONNX put there. See
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZE = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BITS = 63
_MORE = 0x80  # in a byte of a number: another one follows


class Field(NamedTuple):
    """One field: its number, its value (a number, or the bytes of a string or message) and all its bytes."""

    number: int
    value: int | memoryview
    raw: memoryview


def read_fields(message: memoryview) -> Iterator[Field]:
    """
    Walk over the fields of a message in order.

    Raises
    ------
    ValueError
        If the bytes are no protobuf message.

    """
    at, end = 0, len(message)
    while at < end:
        start, tag = at, message[at]
        at += 1
        if tag >= _MORE:
            tag, at = _read_varint(message, start)
        number, wire = tag >> 3, tag & 7
        value: int | memoryview
        if wire == _VARINT:
            value, at = _read_varint(message, at)
        else:
            if wire == _BYTES:
                size, at = _read_varint(message, at)
            elif wire in _FIXED_SIZE:
                size = _FIXED_SIZE[wire]
            else:
                raise ValueError(f"wire type {wire} at byte {start} is not protobuf")
            if at + size > end:
                raise ValueError(f"the field at byte {start} ends beyond its message")
            value, at = message[at : at + size], at + size
        if number == 0:
            raise ValueError(f"field number 0 at byte {start} is not protobuf")
        yield Field(number, value, message[start:at])


def read_ints(value: int | memoryview) -> list[int]:
    """Return the numbers of a repeated int64 field's value, packed or single."""
    if isinstance(value, int):
        return [_signed(value)]
    numbers, at = [], 0
    while at < len(value):
        number, at = _read_varint(value, at)
        numbers.append(_signed(number))
    return numbers


def read_text(value: int | memoryview) -> str:
    """Return a string field's value."""
    return "" if isinstance(value, int) else bytes(value).decode("utf-8", "replace")


def write_bytes(number: int, payload: bytes) -> bytes:
    """Return a field that holds a string, a message or bytes."""
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload


def write_int(number: int, value: int) -> bytes:
    """Return a field that holds one int64."""
    return _varint(number << 3 | _VARINT) + _varint(value)


def rewrite(message: memoryview, changes: Mapping[int, Callable[[memoryview], bytes | None]]) -> bytes:
    """
    Return the message with some fields changed.

    ``changes`` maps the number of a field that holds a message to a function of its bytes, which returns the
    new ones, or None to leave the field out. All other fields are copied.
    """
    return b"".join(_rewritten(read_fields(message), changes))


def _rewritten(
    fields: Iterable[Field], changes: Mapping[int, Callable[[memoryview], bytes | None]]
) -> Iterator[bytes | memoryview]:
    for number, value, raw in fields:
        change = changes.get(number)
        if change is None or isinstance(value, int):
            yield raw
        elif (payload := change(value)) is not None:
            yield write_bytes(number, payload)


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(message) or shift > _MAX_VARINT_BITS:
            raise ValueError(f"the number at byte {at} does not end")
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < _MORE:
            return number, at
        shift += 7


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    result = bytearray()
    while number >= _MORE:
        result.append(number & 0x7F | _MORE)
        number >>= 7
    result.append(number)
    return bytes(result)


def _signed(number: int) -> int:
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number
