"""
How words are written, for a model whose vocabulary has no capitals but which tells names by them all the same.

A text without any capitals, or with nothing else, says nothing about its words by them: all of its words have the
shape `UNKNOWN`, which is what a model must do with where it cannot see.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Shape(IntEnum):
    """
    How a word is written. Models are trained with these numbers.

    Attributes:
        UNKNOWN: the text has no capitals, or no other letters.
        LOWER: no capitals.
        CAPITALIZED: one capital, at the beginning.
        UPPER: capitals alone, two at least.
        MIXED: capitals elsewhere.
        DIGITS: digits and no letter.
        OTHER: neither.
    """

    UNKNOWN = 0
    LOWER = 1
    CAPITALIZED = 2
    UPPER = 3
    MIXED = 4
    DIGITS = 5
    OTHER = 6


_LETTER, _CAPITAL, _DIGIT = 1, 2, 3  # kinds of characters; 0 is any other
_TABLE_SIZE = 0x10000  # what lies beyond are pictures and scripts without capitals, but for a few dead ones


def word_shapes(text: str, starts: Ints, ends: Ints, begins: Flags) -> Ints:
    """
    The shape of the word that each token belongs to, [tokens].

    Args:
        text: as it was given.
        starts: first character of each token, [tokens].
        ends: one past its last.
        begins: whether it begins a word.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = _kinds()[np.minimum(codes, _TABLE_SIZE - 1)]
    capitals = kinds == _CAPITAL
    letters = capitals | (kinds == _LETTER)
    if not capitals.any() or (capitals == letters).all():
        return np.full(len(begins), Shape.UNKNOWN, dtype=np.int64)
    first = np.flatnonzero(begins)
    start, end = starts[first], ends[np.append(first[1:], len(begins)) - 1]
    capital, letter, digit = (_counts(flags, start, end) for flags in (capitals, letters, kinds == _DIGIT))
    shapes = np.select(
        [letter == 0, capital == 0, (capital == 1) & capitals[start], capital == letter],
        [np.where(digit > 0, Shape.DIGITS, Shape.OTHER), Shape.LOWER, Shape.CAPITALIZED, Shape.UPPER],
        default=Shape.MIXED,
    )
    return np.repeat(shapes, np.diff(np.append(first, len(begins))))


def _counts(flags: Flags, start: Ints, end: Ints) -> Ints:
    before: Ints = np.append(0, np.cumsum(flags))
    return before[end] - before[start]


@cache
def _kinds() -> NDArray[np.uint8]:
    """The kind of each character of the table; made once, in about 20 ms."""
    return np.array([_kind(chr(code)) for code in range(_TABLE_SIZE - 1)] + [0], dtype=np.uint8)


def _kind(character: str) -> int:
    if character.isupper() or character.istitle():
        return _CAPITAL
    if character.isalpha():
        return _LETTER
    return _DIGIT if character.isdigit() else 0
