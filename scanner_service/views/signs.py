"""Letters written as signs or words: Morse code, Braille, the spelling alphabet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from string import ascii_lowercase

from scanner_service.text import Span, View
from scanner_service.views.legible import speaks
from scanner_service.views.spacing import close_letters

SEPARATORS = " \t\r\n,;:-|./_'\""
"""What parts codes."""

_MORSE = re.compile(r"(?<![^\s/|])(?:[.·•_–—−-]{1,6}+[ /|\n]{1,5}+){5,}+[.·•_–—−-]{0,6}+")
_MORSE_LETTER = re.compile(r"([.-]+)|([ ]{2,}|[ ]*[/|\n][ ]*)")
_MORSE_SIGNS = str.maketrans("·•_–—−", "..----")
_MORSE_CODE = dict(
    zip(
        re.findall(
            "[.-]+",
            ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- "
            "--.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.",
        ),
        "abcdefghijklmnopqrstuvwxyz0123456789",
        strict=True,
    )
)
_BRAILLE = re.compile("(?<![\u2801-\u28ff])(?:[\u2801-\u28ff]++\\s{0,3}+){2,}+")
_BRAILLE_LETTER = str.maketrans(
    dict(zip("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵", ascii_lowercase, strict=True))
    | dict.fromkeys("⠠⠼", "")  # the signs before a capital and a number
)
_SPELLING = (
    "alfa|alpha|bravo|charlie|delta|echo|foxtrot|golf|hotel|india|juliett?|kilo|lima|mike|november|oscar|papa|quebec|"
    "romeo|sierra|tango|uniform|victor|whiske?y|x-?ray|yankee|zulu"
)
_SPELLED = re.compile(rf"(?<!\w)(?:(?:{_SPELLING})(?!\w)\W{{1,5}}+){{7,}}+(?:(?:{_SPELLING})(?!\w))?", re.IGNORECASE)
# No long text is spelled without two of these vowels.
_TELLING_SPELLED = ("alfa", "alpha", "echo", "india", "oscar")
_FEWEST_SPELLED = 2
_SPELLED_WORD = re.compile(r"[A-Za-z](?:-?[A-Za-z])+")


def signs(text: str) -> Iterator[tuple[Span, str]]:
    """Each stretch of *text* in Morse code, Braille or the spelling alphabet, and what it says."""
    if ".-" in text or "-." in text or any(sign in text for sign in "·•–—−"):
        yield from matches(_MORSE, _morse, text, " /|\n")
    if not text.isascii():
        yield from matches(_BRAILLE, _braille, text)
    lower = text.lower()
    if sum(word in lower for word in _TELLING_SPELLED) >= _FEWEST_SPELLED:
        yield from matches(_SPELLED, _spelled, text)


def matches(
    pattern: re.Pattern[str], decode: Callable[[str], str | None], text: str, separators: str = SEPARATORS
) -> Iterator[tuple[Span, str]]:
    """Each match of *pattern* in *text* that *decode* makes sense of, without the *separators* at its end."""
    for match in pattern.finditer(text):
        written = match[0].rstrip(separators)
        if plain := decode(written):
            yield Span(match.start(), match.start() + len(written)), plain


def _spelled(written: str) -> str | None:
    return closed(_SPELLED_WORD.sub(lambda word: word[0][0], written))


def closed(letters: str) -> str | None:
    """The words that single *letters* spell, if they do."""
    plain = close_letters(View.identity(letters)).text
    return plain if speaks(plain) else None


def _braille(written: str) -> str | None:
    plain = written.translate(_BRAILLE_LETTER)
    letters = re.sub("[^a-z\\s]", "", plain)
    return letters if speaks(letters) else None


def _morse(written: str) -> str | None:
    signs = written.translate(_MORSE_SIGNS)
    letters = (_MORSE_CODE.get(code, "") if code else " " * bool(gap) for code, gap in _MORSE_LETTER.findall(signs))
    plain = "".join(letters)
    return plain if speaks(plain) else None
