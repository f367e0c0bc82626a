"""Letters of other scripts that stand in for Latin ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from string import ascii_letters
from unicodedata import name

from scanner_service.text import Span, View
from scanner_service.views.shape import caseless, shape
from scanner_service.views.words import is_common


def _read() -> dict[str, str]:
    lines = files("scanner_service").joinpath("data/lookalikes.txt").read_text("utf-8").splitlines()
    pairs = (line.split(" ") for line in lines if not line.startswith("#"))
    return {lookalike: latin for latin, lookalikes in pairs for lookalike in lookalikes}


LATIN = _read()
"""Look-alike letter to the Latin letter that it resembles."""

_LATIN_FOR = str.maketrans(LATIN)
_ALIKE = frozenset(LATIN)
_LATIN_OR_ALIKE = _ALIKE | frozenset(ascii_letters)
_WORD = re.compile(r"[^\W\d_]+")
_RUN = re.compile(r"[\w-]+")
_NO_LETTERS = re.compile(r"[0-9_-]+")
_DIGIT_AT_LETTER = re.compile(r"[0-9](?:(?<=[^\W\d_][0-9])|(?=[^\W\d_]))")
# A key or token; what has fewer letters and digits is a name: COVID-19, Wi-Fi-6.
_SHORTEST_TOKEN = 16
_CHANGE = re.compile("[A-Za-z][^A-Za-z]|[^A-Za-z](?=[A-Za-z])")
_SHORTEST_MIXED = 3


def plain_latin(text: str) -> str:
    """*text* with a Latin letter for every look-alike, whatever word it stands in."""
    return text.translate(_LATIN_FOR)


def latinize(view: View) -> View:
    """
    *view* with Latin letters for their look-alikes, in words that look Latin altogether and ought to be.

    That is a word that mixes scripts, or a token of letters and digits that does; and, where most letters of the text
    are Latin, a word all of whose letters are foreign and that spells a common English word. Russian, Greek, Armenian
    and Cherokee stay untouched.
    """
    if view.text.isascii() or _ALIKE.isdisjoint(set(view.text)):
        return view
    return view.rewrite(_in_latin(view.text))


def _in_latin(text: str) -> Iterator[tuple[Span, str]]:
    words = list(_candidates(text))
    among_latin = caseless(shape(text)).count(b"a") > len(text) - len(text.encode("ascii", "ignore"))
    for word in words:
        if _stands_in(_NO_LETTERS.sub("", word[0]), among_latin=among_latin):
            for at, letter in enumerate(word[0], word.start()):
                if letter in LATIN:
                    yield Span(at, at + 1), LATIN[letter]


def _candidates(text: str) -> Iterator[re.Match[str]]:
    """The words with look-alikes; what is a token is one word."""
    if _DIGIT_AT_LETTER.search(text) is None:
        yield from (word for word in _WORD.finditer(text) if _may_stand_in(word[0]))
        return
    for run in _RUN.finditer(text):
        if run[0].isascii():
            continue
        letters = _NO_LETTERS.sub("", run[0])
        if _SHORTEST_TOKEN <= len(run[0]) > len(letters) and _LATIN_OR_ALIKE.issuperset(letters):
            yield run
        else:
            yield from (word for word in _WORD.finditer(text, *run.span()) if _may_stand_in(word[0]))


def _may_stand_in(word: str) -> bool:
    return not word.isascii() and _LATIN_OR_ALIKE.issuperset(word)


def _stands_in(word: str, *, among_latin: bool) -> bool:
    """Whether *word* is a Latin word in disguise."""
    scripts = set(map(script, word))
    if scripts != {"LATIN"} and len(scripts) == 1 and not among_latin:
        return False
    if len(word) > 1 and is_common(plain_latin(word)):
        return True
    # A word that no list has. A name with a foreign ending, as in Russian text, changes its script but once.
    return len(scripts) > 1 and len(word) >= _SHORTEST_MIXED and (among_latin or len(_CHANGE.findall(word)) > 1)


@cache
def script(letter: str) -> str:
    """The first word of the letter's Unicode name, which is its script."""
    return name(letter, "").partition(" ")[0]
