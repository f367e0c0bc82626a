"""What a known word looks like in disguise: leetspeak, look-alikes, spaced out, with invisible characters inside."""

from __future__ import annotations

import re
from unicodedata import normalize

from scanner_service.text import Span, View
from scanner_service.views import invisible_runs
from scanner_service.views.lookalikes import plain_latin

# Shorter words occur by chance.
SHORTEST = 4

_LEET = {"0": "o", "1": "i", "l": "i", "!": "i", "|": "i", "3": "e", "4": "a", "@": "a", "5": "s", "$": "s", "7": "t"}
# At least three single letters or digits with the same gap between them.
_SPACED = re.compile(r"(?<![^\W_])[^\W_]([ \t._*|/~+-]{1,3})[^\W_](?:\1[^\W_])+(?![^\W_])")


def fold(text: str) -> str:
    """*text*, as long as before, with one letter for all that look like it."""
    return text.translate({ord(character): _fold(character) for character in set(text)})


def undisguised(text: str) -> View:
    """*text* folded, without invisible characters, with spaced-out letters closed up."""
    view = View.identity(text)
    view = view.rewrite([(span, "") for span in invisible_runs(text, soft_hyphens=True)])
    view = view.rewrite(
        [(gap, "") for run in _SPACED.finditer(view.text) for gap in _gaps(run.start(), run.end(), len(run[1]))]
    )
    return View(fold(view.text), view.starts, view.ends)


def is_plain(word: str) -> bool:
    """Whether nothing about *word* is a disguise."""
    return word.isascii() and word.isalpha()


def _gaps(start: int, end: int, length: int) -> list[Span]:
    return [Span(at, at + length) for at in range(start + 1, end, length + 1)]


def _fold(character: str) -> str:
    plain = plain_latin(normalize("NFKC", character)).lower()
    return _LEET.get(plain, plain) if len(plain) == 1 else character
