"""What invisible characters part, and what they carry: messages in tags, variation selectors and zero-width bits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scanner_service.text import Span, View
from scanner_service.views.characters import BLANKS, INVISIBLE, SELECTORS, SOFT_HYPHEN, TAGS, invisible_runs
from scanner_service.views.legible import legible
from scanner_service.views.words import LONGEST, is_common

# Fewer bits, or tags, spell no word.
_SHORTEST_BITS = 32
_SHORTEST_TAGGED = 2
# So few letters are a common word by chance: A, I.
_SHORTEST_WORD = 2

_SELF_EXPLAINED = re.compile(f"[{TAGS}{SELECTORS}]+")
_TAGGED = re.compile(f"[{TAGS}]")
_SELECTED = re.compile(f"[{SELECTORS}]")
_BLANK = re.compile(f"[{BLANKS}]")
_LETTERS = re.compile("[A-Za-z]+")
_UNSEEN = re.compile(f"[{INVISIBLE}]+")
# Within invisible runs, what is no invisible character is part of a control sequence for a terminal. Titles and links
# have words.
_SEQUENCE = re.compile(f"[^{INVISIBLE}]+")
_TITLE = re.compile(f"(?:\x1b\\]|\x9d)[^{INVISIBLE}]")


def visible(view: View) -> View:
    """*view* without invisible characters out of place: what the sanitizer leaves where it removes them."""
    return view.rewrite((span, "") for span in invisible_runs(view.text))


def reveal(view: View) -> View:
    """
    *view* without invisible characters, followed by what they spell, if anything, on lines of its own.

    Tags (U+E0000 …) spell ASCII, variation selectors spell bytes, and two different characters spell bits, whether
    they stand together or are scattered; titles and links for a terminal are spelled out. In the visible text an
    invisible run leaves a space if it held two common words apart, otherwise nothing. Soft hyphens go too: to whoever
    reads code points they break words.
    """
    text = view.text
    spans = list(invisible_runs(text, soft_hyphens=True))
    if not spans:
        return view
    visible = view.rewrite((span, _gap(text, span)) for span in spans)
    spelled = _spelled("".join(span.of(text) for span in spans))
    if not spelled:
        return visible
    hidden = View.joined([view.slice(span) for span in spans])
    return View.joined([visible, *(hidden.rewrite(edits) for edits in spelled)], "\n")


def _gap(text: str, span: Span) -> str:
    """What an invisible run leaves behind."""
    if span.of(text).strip(SOFT_HYPHEN) == "":
        return ""
    if _BLANK.search(text, span.start, span.end):
        return " "
    before = _LETTERS.match(text[max(span.start - LONGEST, 0) : span.start][::-1])
    after = _LETTERS.match(text, span.end, span.end + LONGEST)
    if before is None or after is None:
        return ""
    left, right = before[0][::-1], after[0]
    if min(len(left), len(right)) < _SHORTEST_WORD:
        return ""
    return " " if is_common(left) and is_common(right) and not is_common(left + right) else ""


def _spelled(hidden: str) -> Sequence[Sequence[tuple[Span, str]]]:
    """The edits that make invisible characters legible, for each way in which they spell something."""
    found: list[Sequence[tuple[Span, str]]] = []
    if len(_TAGGED.findall(hidden)) >= _SHORTEST_TAGGED:
        found.append([(Span(at, at + 1), _untag(tag)) for at, tag in enumerate(hidden)])
    if _TITLE.search(hidden):
        found.append([(Span(*unseen.span()), "\n") for unseen in _UNSEEN.finditer(hidden)])
    messages = (_selected(hidden), _bits(_SEQUENCE.sub("", _SELF_EXPLAINED.sub("", hidden))))
    found.extend([(Span(0, len(hidden)), message)] for message in messages if message)
    return found


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
