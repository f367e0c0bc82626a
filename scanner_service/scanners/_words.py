"""Words that a configuration lists: how they are written in a text, and where they begin and end."""

from __future__ import annotations

import re
from unicodedata import category

from scanner_service import linear_regex
from scanner_service.text import Span

# Scripts that put no space between words, or write particles onto them: Thai to Burmese, Khmer, Tai, kana, Chinese
# characters, Javanese and Cham, Korean. No word goes on there that could be told from the next.
_UNSPACED = (
    "\u0e00-\u109f\u1780-\u17ff\u1950-\u19ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\ua9e0-\uaa7f\uac00-\ud7af"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_IN_WORD = re.compile(rf"[^\W{_UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")

_APOSTROPHE = re.compile("['’]")

# Beside these, RE2's `\b`, which knows the letters of English alone, holds wherever a word begins or ends. K and S have
# a third case, which is no letter of English.
_BOUNDED = re.compile("[0-9A-JL-RT-Z_a-jl-rt-z]")


def as_pattern(words: str) -> str:
    """The pattern for *words*, literally, with any white space for their gaps and either apostrophe."""
    parts = ("['’]".join(map(linear_regex.escape, _APOSTROPHE.split(part))) for part in words.split())
    inside = r"[\s\pZ]+".join(parts)
    if not inside:
        return linear_regex.escape(words)
    start, end = len(words) - len(words.lstrip()), len(words.rstrip())
    return linear_regex.escape(words[:start]) + inside + linear_regex.escape(words[end:])


def whole(words: str) -> str:
    """
    The pattern for *words* where they may stand alone, which `inside_word` has to confirm.

    Were it to know what all letters are, it would take dozens of times as long to compile, and of the memory.
    """
    before, after = (r"\b" if _BOUNDED.match(edge) else "" for edge in (words[0], words[-1]))
    return before + as_pattern(words) + after


def inside_word(text: str, span: Span) -> int | None:
    """Where the next word may begin if one goes on over an end of *span*, nothing if none does."""
    first = _IN_WORD.match(text, span.start)
    goes_on = (first and _ends_word(text, span.start)) or (
        _IN_WORD.match(text, span.end - 1) and _IN_WORD.match(text, span.end)
    )
    if not goes_on:
        return None
    return first.end() if first else span.start + 1


def _ends_word(text: str, at: int) -> bool:
    """Whether a letter, with its accents, is before *at*."""
    while at and _is_accent(text[at - 1]):
        at -= 1
    return at > 0 and _IN_WORD.match(text, at - 1) is not None


def _is_accent(character: str) -> bool:
    """Whether it goes with the letter before it: not what makes a digit a key of a keyboard, an emoji."""
    return category(character) in ("Mn", "Mc") and _IS_UNSPACED.match(character) is None
