"""Words whose letters were exchanged by a fixed rule, as in ROT13, and words written backwards or upside-down."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from string import ascii_lowercase, ascii_uppercase

from scanner_service.text import Span
from scanner_service.views.legible import OPAQUE
from scanner_service.views.words import COMMON, is_common, passages

_LOWER = bytes.maketrans(ascii_uppercase.encode(), ascii_lowercase.encode())
_NO_LETTERS = bytes(code for code in range(256) if not chr(code).isalpha() or code > 127)
_LETTERS_ONLY = bytes.maketrans(_NO_LETTERS, b" " * len(_NO_LETTERS)).translate(_LOWER)
_COMMON = frozenset(COMMON)
_WORD = re.compile("[A-Za-z]+")
# A key beside deciphered words, of which it is no word.
_BEFORE = re.compile(rf"(?<![\w-]){OPAQUE}\W{{1,4}}\Z", re.ASCII)
_AFTER = re.compile(rf"\W{{1,4}}{OPAQUE}", re.ASCII)
_WIDEST = 260

# What looks like a letter on its head. Letters of ASCII are such too, but only where others are.
_TURNED = dict(zip("ɐɔǝɟƃᵷɥᴉıɾʞꞁɯɹʇʌʍʎ∀ƆƎℲ⅁⅂ꓤᴚꞱ┴∩⅄", "acefgghiijklmrtvwyACEFGLRRTTUY", strict=True))
_UPRIGHT = str.maketrans(_TURNED | dict(zip("bdnpqu", "qpudbn", strict=True)))

# Shorter words turn into common ones by chance: "saw" is "was" backwards.
_TELLING = 4
_FEWEST_TELLING = 2
# A stretch must gain so many letters of common words, and ends with so many letters of words that were common before.
_LEAST_GAIN = 12.0
_PATIENCE = 12.0
# Of so many strange words one may turn into a common one by chance.
_CHANCE = 50
# Deciphering takes time: where words of many alphabets are mixed, it is done for those that explain most.
_MOST_ALPHABETS = 4


def exchange(alphabet: str) -> Callable[[str], str]:
    """What replaces each letter of ASCII, small or capital, by the one at its place in *alphabet*."""
    table = str.maketrans(ascii_lowercase + ascii_uppercase, alphabet + alphabet.upper())
    return lambda text: text.translate(table)


ALPHABETS: Sequence[Callable[[str], str]] = (
    *(exchange(ascii_lowercase[places:] + ascii_lowercase[:places]) for places in range(1, 26)),
    exchange(ascii_lowercase[::-1]),
)
"""What undoes the Caesar ciphers, ROT13 among them, and Atbash."""


def backwards(text: str) -> str:
    """*text* from its end to its beginning."""
    return text[::-1]


def decipher_stretches(text: str) -> Iterator[tuple[Span, str]]:
    """
    Each stretch of *text* whose words are common English once deciphered but are not as they stand.

    A stretch that reads backwards, its letters upside-down or not, comes in both orders, a line each: its words may
    have been turned around in their places, or with the whole sentence.
    """
    strange = _strange_words(text)
    for decipher in _likely_alphabets(strange):
        for span in _stretches(text, decipher):
            yield span, decipher(span.of(text))
    yield from _turned_around(text, strange)
    if not text.isascii() and not _TURNED.keys().isdisjoint(text):
        upright = text.translate(_UPRIGHT)
        yield from _turned_around(upright, _strange_words(upright))


def _strange_words(text: str) -> str:
    """The longer words of *text* that are no common ones, each once; empty if they are too few to tell."""
    words = text.encode("ascii", "replace").translate(_LETTERS_ONLY).decode("ascii").split()
    telling = [word for word in {*words} - _COMMON if len(word) >= _TELLING]
    return " ".join(telling) if len(telling) >= _FEWEST_TELLING else ""


def _turned_around(text: str, strange: str) -> Iterator[tuple[Span, str]]:
    if _common_in(backwards(strange)) >= _FEWEST_TELLING:
        for span in _stretches(text, backwards):
            written = span.of(text)
            yield span, f"{backwards(written)}\n{_WORD.sub(lambda word: backwards(word[0]), written)}"


def _likely_alphabets(strange: str) -> Sequence[Callable[[str], str]]:
    """Those that make common words of some of the *strange* words, more than chance does."""
    if not strange:
        return ()
    least = max(_FEWEST_TELLING, strange.count(" ") // _CHANCE)
    found = [(_common_in(decipher(strange)), decipher) for decipher in ALPHABETS]
    likely = sorted((pair for pair in found if pair[0] >= least), key=lambda pair: -pair[0])
    return [decipher for _, decipher in likely[:_MOST_ALPHABETS]]


def _common_in(words: str) -> int:
    return len(_COMMON.intersection(words.split()))


def _stretches(text: str, decipher: Callable[[str], str]) -> Iterator[Span]:
    words = list(_WORD.finditer(text))
    at = 0
    for first, last, gain in passages((_gain(word[0], decipher) for word in words), _PATIENCE):
        if gain >= _LEAST_GAIN:
            start, end = max(words[first].start(), at), words[last - 1].end()
            if start < end:
                before, after = _BEFORE.search(text[max(start - _WIDEST, at) : start]), _AFTER.match(text, end)
                at = after.end() if after else end
                yield Span(start - len(before[0]) if before else start, at)


def _gain(word: str, decipher: Callable[[str], str]) -> float:
    """How much better *word* reads once deciphered, in letters."""
    before, after = is_common(word), is_common(decipher(word))
    if before == after:
        return 0.0 if before else -0.5 * len(word)
    return float(len(word) if after else -len(word))
