"""Putting values back where their stand-ins are, in text and inside JSON strings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from scanner_service.errors import RequestTooLarge
from scanner_service.placeholders import StandIns
from scanner_service.text import Span

# Of all the values that one output gets back. Sixteen characters mention a value of any length, so that a body of the
# usual size could ask for gigabytes.
MOST_RESTORED = 4_194_304


def restore(text: str, values: Mapping[str, str]) -> str:
    """
    Replace each mention of a stand-in in *values* by what it stands for; stand-ins not in *values* stay.

    Where *text* starts like JSON, a value inside a string is escaped as often as strings are nested there, so that
    the document, and a JSON document inside one of its strings, stays well-formed. A value that was escaped where it
    was found, such as the lines of a private key in JSON, is not escaped again.

    Raises:
        RequestTooLarge: the values that are put back have more than `MOST_RESTORED` characters together.
    """
    return Restorer(values).restore(text, len(text))


class Restorer:
    """
    Restores a text that arrives in pieces.

    Args:
        values: stand-in to value.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._stand_ins = StandIns(values)
        self._strings: _JsonStrings | None = None
        self._begun = False
        self._left = MOST_RESTORED

    def restore(self, text: str, end: int) -> str:
        """
        The first *end* characters of *text* with values put back.

        Args:
            text: the next piece; what lies past *end* is only looked at, and comes again.
            end: must not lie inside a mention.

        Raises:
            RequestTooLarge: as in `restore`, for all pieces together.
        """
        if not self._stand_ins.values:
            return text[:end]
        if not self._begun and text.strip():
            self._begun = True
            self._strings = _JsonStrings() if _JSON_START.match(text) else None
        parts: list[str] = []
        at = 0
        for mention in self._stand_ins.mentions(text):
            if mention.span.start >= end:
                break
            parts += text[at : mention.span.start], self._value(text, Span(at, mention.span.start), mention.placeholder)
            at = mention.span.end
        self._read(text, Span(at, end))
        return "".join(parts) + text[at:end]

    def _value(self, text: str, before: Span, placeholder: str) -> str:
        self._read(text, before)
        value = self._stand_ins.values[placeholder]
        depth = self._strings.depth if self._strings else 0
        for _ in range(depth - _escaped(value, depth)):
            if len(value) > self._left:
                break
            value = json.dumps(value, ensure_ascii=False)[1:-1]
        self._left -= len(value)
        if self._left < 0:
            raise RequestTooLarge(f"the values to put back have more than {MOST_RESTORED} characters")
        return value

    def _read(self, text: str, span: Span) -> None:
        if self._strings:
            self._strings.read(text, span)


def _escaped(value: str, most: int) -> int:
    """
    How many times *value* is escaped already, counted up to *most*: it was taken out of a JSON string as it stood.

    What people write outside of strings hardly ever has backslashes, and all of them before letters that JSON knows.
    """
    times = 0
    while times < most and "\\" in value and _IN_STRING.fullmatch(value):
        value, times = json.loads(f'"{value}"'), times + 1
    return times


class _JsonStrings:
    """
    How many JSON strings deep a position lies.

    A quotation mark after an odd number of backslashes belongs to the JSON inside the string, if the string holds
    JSON, and to its text otherwise.
    """

    def __init__(self) -> None:
        self._holds_json: list[bool] = []  # one entry for each open string, the outermost first

    @property
    def depth(self) -> int:
        return len(self._holds_json)

    def read(self, text: str, span: Span) -> None:
        """Go on over *span* of *text*; the rest of *text* is only looked at."""
        for quote in _QUOTE.finditer(text, span.start, span.end):
            if not quote[0].endswith('"'):
                continue
            backslashes, level = len(quote[0]) - 1, 1
            while backslashes % 2:
                backslashes, level = backslashes // 2, level + 1
            if level <= self.depth:
                del self._holds_json[level - 1 :]
            elif level == self.depth + 1 and (level == 1 or self._holds_json[-1]):
                self._holds_json.append(_JSON_INSIDE.match(text, quote.end()) is not None)


# Backslashes that no quotation mark follows are matched too: otherwise each of them would be tried as the first.
_QUOTE = re.compile(r'\\++"?|"')
# The inside of a string that a parser takes.
_IN_STRING = re.compile(r"""(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+""")
_JSON_INSIDE = re.compile(r'(?:\\++[nrt]|\s)*+[\[{](?:\\++[nrt]|\s)*+(?:\\*+["{\[\]}]|[-\d])')
_JSON_START = re.compile(r'(?:\s*```(?:json)?)?\s*(?:\{\s*["}]|\[\s*["{\[\]\d-])')
