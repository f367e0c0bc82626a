"""Words that a configuration lists: how they are written in a text, and where they begin and end."""

from __future__ import annotations

import re

from scanner_service import linear_regex

# Scripts that put no space between words, or write particles onto them: Thai to Burmese, Khmer, Tai, kana, Chinese
# characters, Javanese and Cham, Korean. No word goes on there that could be told from the next.
_UNSPACED = (
    "\u0e00-\u109f\u1780-\u17ff\u1950-\u19ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\ua9e0-\uaa7f\uac00-\ud7af"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")

_APOSTROPHE = re.compile("['’]")

# Before a whole word. RE2's own `\b` knows the letters of English alone.
WORD_START = rf"(?:^|[^\pL\pM\pN_]|[{_UNSPACED}])"


def as_pattern(words: str) -> str:
    """The pattern for *words*, literally, with any white space for their gaps and either apostrophe."""
    parts = ("['’]".join(map(linear_regex.escape, _APOSTROPHE.split(part))) for part in words.split())
    inside = r"[\s\pZ]+".join(parts)
    if not inside:
        return linear_regex.escape(words)
    start, end = len(words) - len(words.lstrip()), len(words.rstrip())
    return linear_regex.escape(words[:start]) + inside + linear_regex.escape(words[end:])


def is_in_word(character: str) -> bool:
    """Whether a word goes on with *character*."""
    return (character.isalnum() or character == "_") and _IS_UNSPACED.match(character) is None
