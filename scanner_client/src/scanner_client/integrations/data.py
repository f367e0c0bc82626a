"""Data as JSON decodes it or as types of the application hold it: which of it is scanned, and where the safe goes."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Iterable, Mapping
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
    safe_data = yield from leaves(data, is_output=is_output)
    whole = yield from _whole(safe_data, safe, is_output=is_output)
    told = _parsed(whole)
    return whole if told is None else _json(_like(safe_data, told))


def data_of(data: Any, *, is_output: bool) -> Walk[Any]:
    """
    *data* as `leaves` replaces it; what has names or keys is scanned as a whole besides, with them and its numbers.

    Raises:
        Unscannable: it holds something else, or what is left of a mapping or an object is none.
    """
    safe_data = yield from leaves(data, is_output=is_output)
    if not (data if isinstance(data, Mapping) else _fields(data)):
        return safe_data
    safe = yield Ask(_json(data), is_output)
    whole = yield from _whole(safe_data, safe, is_output=is_output)
    if whole == _json(safe_data):
        return safe_data
    if isinstance(told := _parsed(whole or "{}"), dict):
        return _like(safe_data, told)
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
        safe = yield Ask(_json(_numberless(text)), is_output)
    return safe


def _like(data: Any, told: Any) -> Any:
    """
    *told*, which is *data* as JSON with something replaced, in the types of *data*. What was not replaced is as it was,
    numbers that were told as strings too.

    Raises:
        Unscannable: what is told of an object has other fields.
    """
    if (fields := _fields(data)) is not None:
        if not isinstance(told, dict) or told.keys() != fields.keys():
            raise Unscannable(f"what is left of a {type(data).__name__} is none")
        return _with(data, {name: _like(value, told[name]) for name, value in fields.items()})
    if isinstance(data, Mapping) and isinstance(told, dict) and len(data) == len(told):
        return dict(zip(told, map(_like, data.values(), told.values()), strict=True))
    if isinstance(data, _SEVERAL) and isinstance(told, list) and len(data) == len(told):
        return _several(data, map(_like, data, told))
    text = _json(data)
    return data if told in (json.loads(text), _numberless(text)) else told


def _numberless(text: str) -> Any:
    return json.loads(text, parse_int=str, parse_float=str)


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, default=_plain)


def _plain(thing: Any) -> Any:
    if isinstance(thing, _SEVERAL):
        return list(thing)
    fields = _fields(thing)
    return str(thing) if fields is None else fields


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
    if isinstance(data, _SEVERAL):
        return _several(data, (yield from each(leaves(item, is_output=is_output) for item in data)))
    if isinstance(data, Mapping):
        values = yield from each(leaves(value, is_output=is_output) for value in data.values())
        return dict(zip(data, values, strict=True))
    if (fields := _fields(data)) is not None:
        return _with(data, (yield from leaves(fields, is_output=is_output)))
    raise Unscannable(f"{type(data).__name__} can't be scanned")


_SEVERAL = (list, tuple, set, frozenset)


def _several(kind: Any, items: Iterable[Any]) -> Any:
    """*items* in a collection of the kind of another."""
    return getattr(kind, "_make", type(kind))(items)  # a named tuple does not take its items as one


def _fields(thing: Any) -> dict[str, Any] | None:
    """The fields of a model of Pydantic or of a dataclass; None if *thing* is neither."""
    if hasattr(thing, "model_copy"):
        return fields_of(thing)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing) if field.init}
    return None


def _with(thing: Any, fields: Mapping[str, Any]) -> Any:
    """A copy of *thing* with other values in its *fields*."""
    return thing.model_copy(update=fields) if hasattr(thing, "model_copy") else dataclasses.replace(thing, **fields)


def fields_of(thing: Any) -> dict[str, Any]:
    """The fields of an object of an answer, those that its type does not know included."""
    return {**vars(thing), **(getattr(thing, "model_extra", None) or {})}
