"""Characters written as escapes: percent-encoding, HTML entities, and the notations of programming languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape
from itertools import pairwise
from string import punctuation
from unicodedata import lookup
from urllib.parse import unquote_to_bytes

from scanner_service.text import Span, View
from scanner_service.views.characters import INVISIBLE, members
from scanner_service.views.context import Edit, in_context, neighbours
from scanner_service.views.words import is_common

_HEX = "[0-9A-Fa-f]"
_ESCAPE = re.compile(
    # Looking ahead for its first sign first makes the search several times faster.
    rf"(?=[%&\\=]|[uU]\+)(?:"
    rf"(?P<percent>(?:%{_HEX}{{2}})++)"
    # `&amp;#65;` is what an entity becomes that is written as an entity once more.
    rf"|(?P<entity>&(?:amp;){{0,8}}(?:\#[0-9]++;?|\#[xX]{_HEX}++;?|[A-Za-z][A-Za-z0-9]{{1,31}}+;))"
    rf"|(?P<bytes>(?:\\x{_HEX}{{2}})++|(?:={_HEX}{{2}}){{3,}}+)"
    rf"|(?P<utf16>(?:[\\%]u{_HEX}{{4}})++)"
    rf"|(?P<point>\\(?:[ux]\{{|N\{{[uU]\+){_HEX}{{1,64}}\}}|\\U{_HEX}{{8}}|[uU]\+{_HEX}{{4,6}}+|\\00{_HEX}{{4}}(?!{_HEX}))"
    r"|(?P<name>\\N\{[A-Za-z][A-Za-z0-9 -]{1,80}\})"
    r"|(?P<octal>(?:\\[0-7]{2,3}+)++)"
    r"|(?P<space>(?:\\[nrt])++))",
    re.VERBOSE,
)
_GATES = ("%", "&", "\\", "U+", "u+", "=")
_NOT_HEX = re.compile(r"[^0-9A-Fa-f]+")
_INVISIBLE = members(INVISIBLE)
# Percent-encoded spaces and signs are ordinary in an address; so many of them may be a sentence.
_SENTENCE = 3
# Signs that nothing requires to be escaped: those that HTML and encoders of JSON escape as a rule are none.
_SIGNS = frozenset(punctuation + " ").difference("&<>\"'=")
# Between the quotes around a name and those around its value.
_NAMES = re.compile(r"\s{0,4}[:=]\s{0,4}")
# The start of a value that is no name and no address: small letters, digits, and capitals or signs.
_VALUE_PART = r"[^\s\"'<>&\\/:]"
_VALUE = re.compile(
    rf"(?={_VALUE_PART}{{0,64}}[a-z])(?={_VALUE_PART}{{0,64}}[0-9])(?={_VALUE_PART}{{0,64}}[A-Z!@#$%^*?~+])"
    rf"{_VALUE_PART}{{8}}"
)


def unescape_stretches(view: View) -> Iterator[View]:
    """
    Each stretch of *view* that holds escapes, with the characters in their place.

    A stretch counts if it writes letters or digits as escapes, which nothing requires of English, or invisible
    characters inside a word; or at least three characters of any kind in percent-encoding, or signs that HTML and JSON
    write as they are, or words alone between spaces or line breaks; or the quotes that make a value one.
    Bytes that are no UTF-8 stay as they are written.
    """
    text = view.text
    if not any(gate in text for gate in _GATES):
        return
    edits = [(Span(*match.span()), plain) for match in _ESCAPE.finditer(text) if (plain := _read(match))]
    for group in neighbours(edits):
        telling = any(_is_telling(text, span, plain) for span, plain in group)
        if telling or max(_signs(text, group), _spaces(text, group)) >= _SENTENCE or _names_value(text, group):
            yield in_context(view, group)


def _is_telling(text: str, span: Span, plain: str) -> bool:
    return any(map(str.isalnum, plain)) or (_INVISIBLE.issuperset(plain) and _parts_letters(text, span))


def _parts_letters(text: str, span: Span) -> bool:
    return span.start > 0 and text[span.start - 1].isalpha() and text[span.end : span.end + 1].isalpha()


def _signs(text: str, edits: Sequence[Edit]) -> int:
    return sum(
        len(span) // 3 if text[span.start] == "%" else sum(map(_SIGNS.__contains__, plain)) for span, plain in edits
    )


def _spaces(text: str, edits: Sequence[Edit]) -> int:
    """Words that stand alone between two spaces or line breaks: several words are read well enough as they are."""
    return sum(
        before == after and before.isspace() and is_common(text[one.end : two.start])
        for (one, before), (two, after) in pairwise(edits)
    )


def _names_value(text: str, edits: Sequence[Edit]) -> bool:
    """Whether quotes around a value and its name are escaped, or the sign before what looks like a password."""
    return any(
        before[-1] == after[0] in ("'", '"') and _NAMES.fullmatch(text, one.end, two.start)
        for (one, before), (two, after) in pairwise(edits)
    ) or any(plain[-1] in "\"':=" and text[span.start] != "%" and _VALUE.match(text, span.end) for span, plain in edits)


def _read(match: re.Match[str]) -> str:
    """The characters that an escape stands for; empty if it stands for none."""
    try:
        plain = _READERS[match.lastgroup or ""](match[0])
    except (ValueError, OverflowError, KeyError):
        return ""
    return "" if plain == match[0] else plain


_READERS: Mapping[str, Callable[[str], str]] = {
    "entity": lambda escape: unescape(escape.replace("amp;", "")),
    "percent": lambda escape: unquote_to_bytes(escape).decode(),
    "bytes": lambda escape: bytes.fromhex(_NOT_HEX.sub("", escape)).decode(),
    "utf16": lambda escape: bytes.fromhex(_NOT_HEX.sub("", escape)).decode("utf-16-be"),
    "name": lambda escape: lookup(escape[3:-1]),
    "space": lambda _: "\n",
    "octal": lambda escape: bytes(int(code, 8) for code in escape[1:].split("\\")).decode(),
    # Encoding refuses lone surrogates.
    "point": lambda escape: chr(int(_NOT_HEX.sub("", escape[1:]), 16)).encode().decode(),
}
