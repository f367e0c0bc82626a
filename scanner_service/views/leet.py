"""Leetspeak: digits and signs that stand in for letters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, product

from scanner_service.text import Span, View
from scanner_service.views.shape import caseless, shape
from scanner_service.views.words import LONGEST, is_common

_LETTERS = {
    "0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "6": "gb", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "il", "|": "li",
}  # fmt: skip
_LIKELIEST = str.maketrans({sign: letters[0] for sign, letters in _LETTERS.items() if sign.isdigit()})

# The shapes of sure cases: a sign within a word, or a digit before too many letters for a unit.
_SURE_SHAPES = (b"a0a", b"a00a", b"a000a", b"0aaaa")
_SIGNS_AS_DIGITS = bytes.maketrans(b"@", b"0")
_WORD = re.compile(rf"(?<![\w@$!|])[A-Za-z]*+[0-9@$!|][A-Za-z0-9@$!|]{{1,{LONGEST}}}+(?![\w@$!|])")
_SURE = re.compile(r"(?=.{4}).*(?:[A-Za-z][0-9@$!|]+[a-z]|[A-Z][0-9@$!|]+[A-Z])|[0-9][A-Za-z]{4}")
# Beside one of these stands a part of an identifier, a path, an address or a number with a point.
_BEFORE = frozenset(".:/\\#%&=+-")
_AFTER = frozenset("/\\=-")
_POINT = re.compile(r"\.\w")
_MOST_READINGS = 32


def plain_letters(text: str) -> str:
    """*text* with the likeliest letter for each digit, one for one."""
    return text.translate(_LIKELIEST)


def unleet(view: View) -> View:
    """
    *view* with letters for digits and signs, in words that so become common words.

    Nothing happens before one word is a sure case: `pr0mpt` is, `4ll`, `H2O`, `10km`, `$name` and `part1` are not.
    """
    outline = caseless(shape(view.text)).translate(_SIGNS_AS_DIGITS)
    if not any(sure in outline for sure in _SURE_SHAPES):
        return view
    edits = [(match.start(), match[0], _plain(match)) for match in _WORD.finditer(view.text)]
    if not any(plain and _SURE.match(written) for _, written, plain in edits):
        return view
    return view.rewrite(edit for start, written, plain in edits for edit in _changes(start, written, plain))


def _plain(match: re.Match[str]) -> str | None:
    """The common word that *match* stands for, punctuation at its end aside; None if there is none."""
    text, start, end = match.string, match.start(), match.end()
    word = match[0].rstrip("!|")
    if not 2 <= len(word) <= LONGEST or word.isdigit() or word.isalpha():
        return None
    if text[start - 1 : start] in _BEFORE or text[end : end + 1] in _AFTER or _POINT.match(text, end):
        return None
    readings = islice(product(*(_LETTERS.get(sign, sign) for sign in word)), _MOST_READINGS)
    return next((plain for reading in readings if is_common(plain := "".join(reading))), None)


def _changes(start: int, written: str, plain: str | None) -> Iterator[tuple[Span, str]]:
    for at, (sign, letter) in enumerate(zip(written, plain or "", strict=False), start):
        if sign != letter:
            yield Span(at, at + 1), letter
