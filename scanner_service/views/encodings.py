"""Text that is encoded: in hexadecimal, binary and codes of characters, and as `bases` and `signs` read it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from string import ascii_lowercase
from sys import maxunicode

from scanner_service.text import Span
from scanner_service.views.bases import SHORTEST, base64_stretches
from scanner_service.views.legible import legible, legible_part, said, said_by
from scanner_service.views.shape import shape, word_shape
from scanner_service.views.signs import closed, matches, signs

_RUN_SHAPE = b"a" * SHORTEST
_PAIRS_SHAPE = re.compile(rb" aa(?: {1,4}aa){3} ")
_CODE_SHAPES = (b"0 0", b"0  0", b"0   0", b"0    0")
_FEWEST_CODES = 3
_BITS_SHAPE = re.compile(rb"0000(?:000|(?: {1,4}0{4,6}){2})")
_HUMP_SHAPES = (b"aA", b"0A")
_FEWEST_HUMPS = 2
_OCTAL = re.compile("[0-3]?[0-7]{1,2}")
_DIGITS_AS_LETTERS = bytes.maketrans(b"0", b"a")
_SEPARATOR = r"[\s,;:|./_'\"-]"

_HEX = re.compile(rf"(?<![0-9A-Za-z])(?:(?:0[xX])?[0-9A-Fa-f]{{2}}{_SEPARATOR}{{0,4}}+){{8,}}+")
# Between the figures of a table too, and these do not have to be words.
_AMBIGUOUS = re.compile(r"[|./_'\"]")
_HEX_PAIR = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{2})")
_BINARY = re.compile(rf"(?<![0-9])(?:(?:0[bB])?[01]{{4,8}}{_SEPARATOR}{{0,4}}+){{3,}}+")
_BITS = re.compile(r"(?:0[bB])?([01]+)")
_DECIMAL = re.compile(rf"(?<![0-9])(?:(?:0[oO])?[0-9]{{2,3}}{_SEPARATOR}{{1,4}}+){{7,}}+(?:0[oO])?[0-9]{{0,3}}")
_PLACES = re.compile(r"(?<![0-9A-Za-z.])(?:[1-9][0-9]?[-\s,/|]{1,3}+){7,}+(?:[1-9][0-9]?(?![0-9A-Za-z]))?")
_NUMBER = re.compile("[0-9]+")
_CODE = "(?:0x|&h)[0-9a-f]{1,8}|0o[0-7]{1,8}|[0-9]{1,8}"
# `chr(73)` of Python, PHP and Basic, `CHAR(73)` of SQL, `String.fromCharCode(73)`, `(char)73`.
_CALL = (
    r"(?:\b(?:string\.from(?:charcode|codepoint)|n?char|(?:uni)?chr[wb]?)\s{0,4}\(|\(?char\))"
    rf"\s{{0,4}}(?:{_CODE})&?\s{{0,4}}\)?"
)
_CALLS = re.compile(rf"{_CALL}(?:[\s,;.+&|_\"'()]{{0,12}}+{_CALL}){{6,}}+", re.IGNORECASE)
_FEWEST_CALLS = 7
_CALLED = re.compile(rf"[(\s)]({_CODE})", re.IGNORECASE)


def decode_stretches(text: str) -> Iterator[tuple[Span, str]]:
    """Each stretch of *text* that encodes something legible, and what it says; stretches do not overlap."""
    outline = shape(text)
    words = word_shape(outline)
    solid = words.translate(_DIGITS_AS_LETTERS)
    is_long = _RUN_SHAPE in solid
    found = list(_apart(chain(_numbers(text, words, solid, is_long=is_long), signs(text))))
    # Numbers are digits of base64 too, which says nothing then, and hides them if it says something before them.
    if is_long or sum(map(outline.count, _HUMP_SHAPES)) >= _FEWEST_HUMPS:
        found += base64_stretches(text, [span for span, _ in found])
    yield from sorted(found)


def _apart(found: Iterable[tuple[Span, str]]) -> Iterator[tuple[Span, str]]:
    """Of what overlaps the first, and of what begins together the longest."""
    end = 0
    for span, plain in sorted(found, key=lambda found: (found[0].start, -found[0].end)):
        if span.start >= end:
            end = span.end
            yield span, plain


def _numbers(text: str, words: bytes, solid: bytes, *, is_long: bool) -> Iterator[tuple[Span, str]]:
    if _BITS_SHAPE.search(words):
        yield from matches(_BINARY, _binary, text)
    if sum(map(words.count, _CODE_SHAPES)) >= _FEWEST_CODES:
        yield from matches(_DECIMAL, _decimal, text)
        yield from matches(_PLACES, _places, text)
    if text.count("(") >= _FEWEST_CALLS and re.search("cha?r", text, re.IGNORECASE):
        yield from matches(_CALLS, _calls, text)
    if is_long or b"0a00" in words or _PAIRS_SHAPE.search(solid):
        yield from matches(_HEX, _hex, text)


def _binary(written: str) -> str | None:
    groups = _BITS.findall(written)
    digits = "".join(groups)
    octets = legible(bytes(int(digits[at : at + 8], 2) for at in range(0, len(digits) - 7, 8)))
    if all(len(group) % 8 == 0 for group in groups):
        return octets
    # Parted into characters, without zeros before them, or into digits: halves of bytes, for one.
    return said(legible(bytes(code for group in groups if (code := int(group, 2)) < 256))) or said(octets)


def _decimal(written: str) -> str | None:
    codes = _NUMBER.findall(written.replace("0o", "").replace("0O", ""))
    return said(legible(bytes(code for code in map(int, codes) if code < 256))) or said(
        legible(bytes(int(code, 8) for code in codes if _OCTAL.fullmatch(code)))
    )


def _calls(written: str) -> str | None:
    codes = [_number(code) for code in _CALLED.findall(written)]
    if max(codes) < 256:
        return said(legible(bytes(codes)))
    return said(legible_part("".join(chr(code) for code in codes if code <= maxunicode)))


def _number(code: str) -> int:
    """The number that a program writes as *code*."""
    code = code.lower().replace("&h", "0x")
    return int(code, 0 if code[1:2] in ("x", "o") else 10)


def _hex(written: str) -> str | None:
    data = bytes.fromhex("".join(_HEX_PAIR.findall(written)))
    return said_by(data, wordy=not _AMBIGUOUS.search(written))


def _places(written: str) -> str | None:
    """Letters by their places in the alphabet."""
    return closed(_NUMBER.sub(lambda number: ascii_lowercase[int(number[0]) - 1 : int(number[0])], written))
