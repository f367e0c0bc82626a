"""What invisible characters carry: messages in tags, variation selectors and zero-width bits are made readable."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner_service.text import Span, View
from scanner_service.views.characters import BLANKS, SELECTORS, SOFT_HYPHEN, TAGS, invisible_runs
from scanner_service.views.legible import legible
from scanner_service.views.words import LONGEST, is_common

# Fewer bits, or tags, spell no word.
_SHORTEST_BITS = 32
_SHORTEST_TAGGED = 2

_SELF_EXPLAINED = re.compile(f"[{TAGS}{SELECTORS}]+")
_SELECTED = re.compile(f"[{SELECTORS}]")
_BLANK = re.compile(f"[{BLANKS}]")
_LETTERS_BEFORE = re.compile("[A-Za-z]+$")
_LETTERS_AFTER = re.compile("[A-Za-z]+")


def reveal(view: View) -> View:
    """
    *view* without invisible characters, followed by what they spell, if anything, on lines of its own.

    Tags (U+E0000 …) spell ASCII, variation selectors spell bytes, and two different characters spell bits, whether
    they stand together or are scattered. In the visible text an invisible run leaves a space if it held two common
    words apart, otherwise nothing. Soft hyphens go too: to whoever reads code points they break words.
    """
    text = view.text
    spans = _removable(text)
    if not spans:
        return view
    visible = view.rewrite((span, _gap(text, span)) for span in spans)
    hidden = View.joined([view.slice(span) for span in spans])
    return View.joined([visible, *_messages(hidden)], "\n")


def _removable(text: str) -> list[Span]:
    spans = list(invisible_runs(text))
    if SOFT_HYPHEN not in text:
        return spans
    covered = {at for span in spans for at in range(span.start, span.end)}
    hyphens = (match.start() for match in re.finditer(SOFT_HYPHEN, text))
    return sorted(spans + [Span(at, at + 1) for at in hyphens if at not in covered])


def _gap(text: str, span: Span) -> str:
    """What an invisible run leaves behind."""
    if _BLANK.search(text, span.start, span.end):
        return " "
    before = _LETTERS_BEFORE.search(text[max(span.start - LONGEST, 0) : span.start])
    after = _LETTERS_AFTER.match(text[span.end : span.end + LONGEST])
    if before is None or after is None or is_common(before[0] + after[0]):
        return ""
    return " " if is_common(before[0]) and is_common(after[0]) else ""


def _messages(hidden: View) -> Iterator[View]:
    """What a text made of invisible characters alone spells."""
    tagged = hidden.rewrite((Span(at, at + 1), _untag(tag)) for at, tag in enumerate(hidden.text))
    if len(tagged.text) >= _SHORTEST_TAGGED:
        yield tagged
    for message in (_selected(hidden.text), _bits(_SELF_EXPLAINED.sub("", hidden.text))):
        if message:
            yield hidden.rewrite([(Span(0, len(hidden.text)), message)])


def _untag(tag: str) -> str:
    return chr(ord(tag) - 0xE0000) if "\U000e0020" <= tag <= "\U000e007e" else ""


def _selected(hidden: str) -> str | None:
    """The bytes that variation selectors stand for: 0 to 15 the first block, 16 to 255 the second."""
    codes = map(ord, _SELECTED.findall(hidden))
    return legible(bytes(code - 0xFE00 if code < 0xFE10 else code - 0xE0100 + 16 for code in codes))


def _bits(hidden: str) -> str | None:
    """The bytes spelled by two different characters, whichever of them is the zero."""
    kinds = sorted(set(hidden)) if len(hidden) >= _SHORTEST_BITS else ()
    if len(kinds) != 2:
        return None
    for zero, one in (kinds, kinds[::-1]):
        digits = hidden.translate({ord(zero): "0", ord(one): "1"})
        message = legible(bytes(int(digits[at : at + 8], 2) for at in range(0, len(digits) - 7, 8)))
        if message:
            return message
    return None
