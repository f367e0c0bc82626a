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


# Kinds of characters as parts of one number, so that one sum over a word counts each of them, up to two million.
_DIGIT, _LETTER, _CAPITAL = 1, 1 << 21, (1 << 42) + (1 << 21)
_COUNT = (1 << 21) - 1
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
    sums = np.zeros(len(kinds) + 1, dtype=np.int64)
    np.cumsum(kinds, out=sums[1:])
    if _capitals(sums[-1]) in (0, _letters(sums[-1])):
        return np.full(len(begins), Shape.UNKNOWN, dtype=np.int64)
    first = np.flatnonzero(begins)
    bounds = np.append(first, len(begins))
    start = starts[first]
    counts = sums[ends[bounds[1:] - 1]] - sums[start]
    capitals, letters = _capitals(counts), _letters(counts)
    known = (capitals == letters) + 2 * (capitals > 0) + 4 * ((capitals == 1) & (kinds[start] == _CAPITAL))
    shapes = _SHAPES[known + 8 * (letters == 0) + 16 * ((counts & _COUNT) > 0)]
    return np.repeat(shapes, bounds[1:] - first)


def _capitals(sums: Ints) -> Ints:
    return sums >> 42


def _letters(sums: Ints) -> Ints:
    return (sums >> 21) & _COUNT


def _shape(known: int) -> Shape:
    """Of a word with what `word_shapes` knows of it, in bits."""
    all_capitals, some, first_alone, no_letters, digits = (bool(known >> bit & 1) for bit in range(5))
    if no_letters:
        return Shape.DIGITS if digits else Shape.OTHER
    if not some:
        return Shape.LOWER
    if first_alone:
        return Shape.CAPITALIZED
    return Shape.UPPER if all_capitals else Shape.MIXED


_SHAPES = np.array([_shape(known) for known in range(32)], dtype=np.int64)


@cache
def _kinds() -> Ints:
    """The kind of each character of the table; made once, in about 20 ms."""
    return np.array([_kind(chr(code)) for code in range(_TABLE_SIZE - 1)] + [0], dtype=np.int64)


def _kind(character: str) -> int:
    if character.isupper() or character.istitle():
        return _CAPITAL
    if character.isalpha():
        return _LETTER
    return _DIGIT if character.isdigit() else 0
