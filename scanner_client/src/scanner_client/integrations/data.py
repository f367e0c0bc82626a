"""Data as JSON decodes it or as types of the application hold it: which of it is scanned, and where the safe goes."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Mapping
from typing import Any

from scanner_client.integrations.walks import Ask, Unscannable, Walk, each

# What says nothing in words.
WORDLESS = (int, float, bytes, enum.Enum, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta, uuid.UUID)


def strings(arguments: str, *, is_output: bool = False) -> Walk[str]:
    """
    The JSON in *arguments* with its strings replaced one by one, so that a value with a quote in it stays a value.

    What is no JSON is replaced as a text.
    """
    if not arguments.strip():
        return arguments
    safe = yield Ask(arguments, is_output)
    if not safe or safe == arguments:
        return safe
    try:
        data = json.loads(arguments)
    except ValueError:
        return safe
    return (yield from _whole((yield from leaves(data, is_output=is_output)), safe, is_output=is_output))


def data_of(data: Any, *, is_output: bool) -> Walk[Any]:
    """
    *data* as `leaves` replaces it; a mapping is scanned as a whole besides, with its keys and numbers.

    Raises:
        Unscannable: it holds something else, or what is left of a mapping is none.
    """
    safe_data = yield from leaves(data, is_output=is_output)
    if not isinstance(data, Mapping) or not data:
        return safe_data
    safe = yield Ask(_json(data), is_output)
    whole = yield from _whole(safe_data, safe, is_output=is_output)
    if whole == _json(safe_data):
        return safe_data
    if isinstance(safe_data := _parsed(whole or "{}"), dict):
        return safe_data
    raise Unscannable("what is left of a mapping is none")


def _whole(data: Any, safe: str, *, is_output: bool) -> Walk[str]:
    """
    *data*, whose strings are replaced, as JSON.

    What is a password only beside its key, a key or a number is replaced in the whole alone. So where *safe*, what was
    answered about the whole, says something else, the JSON is asked about once more, and again with its numbers as
    strings if one of them was replaced.
    """
    text = _json(data)
    if _parsed(safe) == json.loads(text):
        return text
    safe = yield Ask(text, is_output)
    if _parsed(safe) is None:
        safe = yield Ask(_json(json.loads(text, parse_int=str, parse_float=str)), is_output)
    return safe


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, default=str)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def leaves(data: Any, *, is_output: bool) -> Walk[Any]:
    """
    *data*, as JSON decodes it or as a type of the application holds it, with all its strings scanned; no keys.

    Raises:
        Unscannable: it holds something else.
    """
    if data is None or isinstance(data, WORDLESS):
        return data
    if isinstance(data, str):
        return (yield Ask(data, is_output)) if data.strip() else data
    if isinstance(data, (list, tuple, set, frozenset)):
        make = getattr(data, "_make", type(data))  # a named tuple does not take its items as one
        return make((yield from each(leaves(item, is_output=is_output) for item in data)))
    if isinstance(data, Mapping):
        values = yield from each(leaves(value, is_output=is_output) for value in data.values())
        return dict(zip(data, values, strict=True))
    if hasattr(data, "model_copy"):
        return data.model_copy(update=(yield from leaves(dict(data), is_output=is_output)))
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        fields = {field.name: getattr(data, field.name) for field in dataclasses.fields(data) if field.init}
        return dataclasses.replace(data, **(yield from leaves(fields, is_output=is_output)))
    raise Unscannable(f"{type(data).__name__} can't be scanned")
