"""Characters written as escapes: percent-encoding, HTML entities, and the notations of programming languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape
from urllib.parse import unquote_to_bytes

from scanner_service.text import Span, View
from scanner_service.views.context import Edit, in_context, neighbours

_HEX = "[0-9A-Fa-f]"
_ESCAPE = re.compile(
    # Looking ahead for its first sign first makes the search several times faster.
    rf"(?=[%&\\=]|[uU]\+)(?:"
    rf"(?P<percent>(?:%{_HEX}{{2}})++)"
    rf"|(?P<entity>&(?:\#[0-9]{{1,7}}+;?|\#[xX]{_HEX}{{1,6}}+;?|[A-Za-z][A-Za-z0-9]{{1,31}}+;))"
    rf"|(?P<bytes>(?:\\x{_HEX}{{2}})++|(?:=[0-9A-F]{{2}}){{3,}}+)"
    rf"|(?P<utf16>(?:\\u{_HEX}{{4}})++)"
    rf"|(?P<point>\\u\{{{_HEX}{{1,6}}\}}|\\U{_HEX}{{8}}|[uU]\+{_HEX}{{4,6}}+)"
    r"|(?P<octal>(?:\\[0-7]{3})++))",
    re.VERBOSE,
)
_GATES = ("%", "&", "\\", "U+", "u+", "=")
_NOT_HEX = re.compile(r"[^0-9A-Fa-f]+")
# Percent-encoded spaces and signs are ordinary in an address; so many of them may be a sentence.
_SENTENCE = 3


def unescape_stretches(view: View) -> Iterator[View]:
    """
    Each stretch of *view* that holds escapes, with the characters in their place.

    A stretch counts if it writes letters or digits as escapes, which nothing requires of English, or at least three
    percent-encoded characters of any kind. Bytes that are no UTF-8 stay as they are written.
    """
    text = view.text
    if not any(gate in text for gate in _GATES):
        return
    edits = [(Span(*match.span()), plain) for match in _ESCAPE.finditer(text) if (plain := _read(match))]
    for group in neighbours(edits):
        if any(_is_telling(plain) for _, plain in group) or _percents(text, group) >= _SENTENCE:
            yield in_context(view, group)


def _is_telling(plain: str) -> bool:
    return any(map(str.isalnum, plain))


def _percents(text: str, edits: Sequence[Edit]) -> int:
    return sum(len(span) // 3 for span, _ in edits if text[span.start] == "%")


def _read(match: re.Match[str]) -> str:
    """The characters that an escape stands for; empty if it stands for none."""
    try:
        plain = _READERS[match.lastgroup or ""](match[0])
    except (ValueError, OverflowError):
        return ""
    return "" if plain == match[0] else plain


_READERS: Mapping[str, Callable[[str], str]] = {
    "entity": unescape,
    "percent": lambda escape: unquote_to_bytes(escape).decode(),
    "bytes": lambda escape: bytes.fromhex(_NOT_HEX.sub("", escape)).decode(),
    "utf16": lambda escape: bytes.fromhex(escape.replace("\\u", "")).decode("utf-16-be"),
    "octal": lambda escape: bytes(int(code, 8) for code in escape[1:].split("\\")).decode(),
    # Encoding refuses lone surrogates.
    "point": lambda escape: chr(int(_NOT_HEX.sub("", escape[1:]), 16)).encode().decode(),
}
