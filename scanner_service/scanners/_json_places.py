"""Where things stand in a JSON text: what `json` knows while it reads, and forgets."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from scanner_service.text import Span

_DECODER = json.JSONDecoder(parse_int=float)
_SPACE = re.compile(r"[ \t\n\r]*")
# A string, so that its brackets are passed over, or a bracket.
_MARK = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def too_deep(text: str, limit: int) -> int | None:
    """Where brackets are nested more than *limit* deep for the first time."""
    if text.count("[") + text.count("{") <= limit:
        return None
    depth = 0
    for mark in _MARK.finditer(text):
        bracket = mark[0]
        depth += (bracket in "[{") - (bracket in "]}")
        if depth > limit:
            return mark.start()
    return None


def find(text: str, path: Sequence[str | int]) -> Span:
    """
    The value at *path*, of which each step is a key or an index, in *text*, which is JSON without repeated keys.

    Reads what stands before the value, and the value, once more.
    """
    at = _skip(text, 0)
    for step in path:
        at = _member(text, at, step) if isinstance(step, str) else _item(text, at, step)
    return Span(at, _end(text, at))


def _member(text: str, at: int, key: str) -> int:
    while True:
        name, at = _DECODER.raw_decode(text, _skip(text, at + 1))
        at = _skip(text, _skip(text, at) + 1)
        if name == key:
            return at
        at = _skip(text, _end(text, at))


def _item(text: str, at: int, index: int) -> int:
    at = _skip(text, at + 1)
    for _ in range(index):
        at = _skip(text, _skip(text, _end(text, at)) + 1)
    return at


def _end(text: str, at: int) -> int:
    return _DECODER.raw_decode(text, at)[1]


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
