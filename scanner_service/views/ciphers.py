"""Words in ROT13 and words written backwards."""

from __future__ import annotations

import re
from codecs import encode
from collections.abc import Callable, Iterator
from string import ascii_lowercase, ascii_uppercase

from scanner_service.text import Span
from scanner_service.views.words import COMMON, is_common, passages

_LOWER = bytes.maketrans(ascii_uppercase.encode(), ascii_lowercase.encode())
_NO_LETTERS = bytes(code for code in range(256) if not chr(code).isalpha() or code > 127)
_LETTERS_ONLY = bytes.maketrans(_NO_LETTERS, b" " * len(_NO_LETTERS)).translate(_LOWER)
_COMMON = frozenset(COMMON)
_WORD = re.compile("[A-Za-z]+")

# Shorter words turn into common ones by chance: "saw" is "was" backwards.
_TELLING = 4
_FEWEST_TELLING = 2
# A stretch must gain so many letters of common words, and ends with so many letters of words that were common before.
_LEAST_GAIN = 12.0
_PATIENCE = 12.0


def rot13(text: str) -> str:
    """*text* with every letter of ASCII thirteen places on."""
    return encode(text, "rot13")


def backwards(text: str) -> str:
    """*text* from its end to its beginning."""
    return text[::-1]


def decipher_stretches(text: str) -> Iterator[tuple[Span, str]]:
    """
    Each stretch of *text* whose words are common English once deciphered but are not as they stand.

    A stretch that reads backwards comes in both orders, a line each: its words may have been turned around in their
    places, or with the whole sentence.
    """
    words = text.encode("ascii", "replace").translate(_LETTERS_ONLY).decode("ascii").split()
    strange = [word for word in {*words} - _COMMON if len(word) >= _TELLING]
    if len(_COMMON.intersection(rot13(" ".join(strange)).split())) >= _FEWEST_TELLING:
        for span in _stretches(text, rot13):
            yield span, rot13(span.of(text))
    if len(_COMMON.intersection(backwards(" ".join(strange)).split())) >= _FEWEST_TELLING:
        for span in _stretches(text, backwards):
            written = span.of(text)
            yield span, f"{backwards(written)}\n{_WORD.sub(lambda word: backwards(word[0]), written)}"


def _stretches(text: str, decipher: Callable[[str], str]) -> Iterator[Span]:
    words = list(_WORD.finditer(text))
    for first, last, gain in passages((_gain(word[0], decipher) for word in words), _PATIENCE):
        if gain >= _LEAST_GAIN:
            yield Span(words[first].start(), words[last - 1].end())


def _gain(word: str, decipher: Callable[[str], str]) -> float:
    """How much better *word* reads once deciphered, in letters."""
    before, after = is_common(word), is_common(decipher(word))
    if before == after:
        return 0.0 if before else -0.5 * len(word)
    return float(len(word) if after else -len(word))
