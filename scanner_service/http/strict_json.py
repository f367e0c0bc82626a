"""Bodies as types. Decoding is strict, and what is said of a wrong body names paths, never values."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, TypeVar

import msgspec

from scanner_service.errors import InvalidRequest, Malformed

T = TypeVar("T")

# Decoding or encoding more than this takes longer than the event loop should be away from everybody else.
LARGE_BYTES = 65_536


def decode(body: bytes, type_: type[T]) -> T:
    """
    Decode a body.

    Strings may hold lone surrogates afterwards: JSON can spell them, and only the field can be blamed for it
    (see `check_text`).

    Raises:
        Malformed: if *body* is not JSON in UTF-8, or nested too deeply.
        InvalidRequest: if it does not have the shape of *type_*; the message names the path.
    """
    try:
        decoded: T = _decode(body, type_)
    except msgspec.ValidationError as error:
        problem = InvalidRequest(_name_path(str(error)))
    except UnicodeEncodeError:  # in the name of a field, or where there should be no text
        problem = InvalidRequest("`$`: holds half of a surrogate pair where no text is expected")
    except (UnicodeDecodeError, msgspec.DecodeError):
        raise Malformed("the body is not JSON in UTF-8") from None
    except RecursionError:
        raise Malformed("the body is nested too deeply") from None
    else:
        return decoded
    if type_ is not Any:  # the decoder stops at the first wrong field: what follows may not even be JSON
        decode(body, Any)
    raise problem


async def decode_aside(body: bytes, type_: type[T]) -> T:
    """Likewise, in a thread if *body* is large."""
    return decode(body, type_) if len(body) <= LARGE_BYTES else await asyncio.to_thread(decode, body, type_)


async def encode_aside(content: msgspec.Struct, size: int) -> bytes:
    """The JSON of *content*, made in a thread if its *size*, in characters, is large."""
    encode = msgspec.json.encode
    return encode(content) if size <= LARGE_BYTES else await asyncio.to_thread(encode, content)


def _decode(body: bytes, type_: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"\\ud" not in body.lower():
            raise
        try:
            content = json.loads(body)  # takes lone surrogates, which msgspec does not
        except ValueError:
            raise msgspec.DecodeError from None
        return msgspec.convert(content, type_)


def check_text(text: str, path: str, *, may_be_empty: bool = False) -> None:
    """
    Refuse what cannot be scanned.

    Raises:
        InvalidRequest: naming *path*, if *text* holds nothing but white space or is not Unicode text.
    """
    if not may_be_empty and not text.strip():
        raise InvalidRequest(f"`{path}`: is empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"`{path}`: holds half of a surrogate pair, which is no character") from None


# A field is named by the caller: matched with less care, a name that looks like a place takes the square of its length.
_FIELD = re.compile(
    r"Object (?P<what>missing required|contains unknown) field `(?P<name>[A-Za-z0-9_.-]{1,64})`"
    r"(?: - at `(?P<at>\$[A-Za-z0-9_.\[\]]{0,256})`)?"
)
_UNKNOWN = "Object contains unknown field "


def _name_path(message: str) -> str:
    """*message* of the decoder with the path first. An unknown field is named only if its name is a harmless one."""
    if match := _FIELD.fullmatch(message):
        what = "is missing" if match["what"] == "missing required" else "unknown field"
        return f"`{match['at'] or '$'}.{match['name']}`: {what}"
    if message.startswith(_UNKNOWN):
        return "`$`: has an unknown field"
    what, _, at = message.rpartition(" - at `")
    return f"`{at.removesuffix('`')}`: {what[:1].lower()}{what[1:]}" if what else f"`$`: {at[:1].lower()}{at[1:]}"
