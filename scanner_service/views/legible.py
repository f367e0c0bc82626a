"""Whether bytes or characters that came out of a decoding are something that a person could read."""

from __future__ import annotations

import re

from scanner_service.views.words import is_common

# No ink and no space: controls, surrogates, private use, the replacement character, noncharacters.
_RUNS = re.compile("[\t\n\r\x20-\x7e\xa0-\ud7ff\uf900-\ufdcf\ufdf0-\ufffc\U00010000-\U000e01ef]+")

# A run of printable characters inside other bytes is chance if it is shorter. Of random bytes 37 % are printable:
# 16 in a row come once in 8 million.
_SHORTEST_INSIDE = 16
_SHORTEST_WHOLE = 2
# So many bytes are not all printable by chance, whatever share of them is punctuation.
_SHORTEST_SURE = 24
_LETTERS = re.compile("[A-Za-z]+")
# So many words of so many letters do not come about by chance, whatever stands around them.
_TELLING, _MANY_TELLING = 4, 3
OPAQUE = r"(?=[A-Za-z_-]{0,255}[0-9])(?=[0-9_-]{0,255}[A-Za-z])[\w-]{16,256}"
"""A key: many letters and digits in one."""
_OPAQUE = re.compile(rf"\b{OPAQUE}")


def legible(data: bytes) -> str | None:
    """
    The text in *data*, in UTF-8 or UTF-16; None if there is none.

    Data that is text throughout is taken whole. Of data that is text in part, such as an attack behind a few bytes
    of garbage or inside a picture, the printable runs are taken, one a line.
    """
    if len(data) >= 4 and data[1::2].count(0) > 0.4 * len(data):
        text = data.decode("utf-16-le", "replace")
    elif len(data) >= 4 and data[::2].count(0) > 0.4 * len(data):
        text = data.decode("utf-16-be", "replace")
    else:
        text = data.decode("utf-8", "replace")
    return legible_part(text)


def legible_part(text: str) -> str | None:
    """*text* if it is printable throughout, otherwise its printable runs, one a line; None if there are none."""
    if _RUNS.fullmatch(text):
        return text if len(text) >= _SHORTEST_WHOLE else None
    return "\n".join(run for run in _RUNS.findall(text) if len(run) >= _SHORTEST_INSIDE) or None


def is_wordy(text: str) -> bool:
    """Whether *text* is letters, digits and spaces for the most part."""
    return 10 * sum(character.isalnum() or character.isspace() for character in text) >= 7 * len(text)


def speaks(text: str) -> bool:
    """Whether most of *text*, or several long words of it, are common English, or it is in another script."""
    if not text.isascii() and is_wordy(text):
        return True
    common = [len(word) for word in _LETTERS.findall(text) if is_common(word)]
    telling = sum(length >= _TELLING for length in common)
    return telling >= _MANY_TELLING or 2 * sum(common) > len("".join(text.split()))


def is_whole(text: str, data: bytes) -> bool:
    """Whether *text*, which is what is legible in *data*, is all of it."""
    return data in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"))


def is_sure(text: str, data: bytes) -> bool:
    """Whether *text* is all of *data*, which is too long to be printable by chance, and has a word."""
    if len(data) < _SHORTEST_SURE or not is_whole(text, data):
        return False
    return not text.isascii() or any(len(word) >= _TELLING and is_common(word) for word in _LETTERS.findall(text))


def has_token(text: str) -> bool:
    """Whether a word of *text* is a key: many letters and digits in one."""
    return _OPAQUE.search(text) is not None


def said(plain: str | None) -> str | None:
    """*plain* if it is no chance."""
    return plain if plain and (speaks(plain) or has_token(plain)) else None


def said_by(data: bytes, *, wordy: bool = True) -> str | None:
    """What *data* says if it is no chance: its words tell, or, where *wordy* is enough, the letters among its signs."""
    plain = legible(data)
    if plain and ((wordy and is_wordy(plain)) or is_sure(plain, data)):
        return plain
    return said(plain)
