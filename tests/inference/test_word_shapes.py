import re

import numpy as np
import pytest

from scanner_service.inference.tokenizer import TextTokenizer
from scanner_service.inference.word_shapes import Shape, word_shapes
from tests.inference import tiny

TOKENIZER = TextTokenizer(tiny.tokenizer_json())


def shapes(text):
    """Of the words of a text that stand one space apart, each a token."""
    spans = np.array([each.span() for each in re.finditer(r"\S+", text)]).reshape(-1, 2)
    return [Shape(each) for each in word_shapes(text, spans[:, 0], spans[:, 1], np.ones(len(spans), dtype=bool))]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("lower", Shape.LOWER),
        ("straße", Shape.LOWER),
        ("4th", Shape.LOWER),
        ("漢字", Shape.LOWER),
        ("Ann", Shape.CAPITALIZED),
        ("Élan", Shape.CAPITALIZED),
        ("Ǆemal", Shape.CAPITALIZED),
        ("ǅemal", Shape.CAPITALIZED),
        ("I", Shape.CAPITALIZED),
        ("IBM", Shape.UPPER),
        ("B2B", Shape.UPPER),
        ("МИД", Shape.UPPER),
        ("iPhone", Shape.MIXED),
        ("McDonald", Shape.MIXED),
        ("3Com", Shape.MIXED),
        ("1984", Shape.DIGITS),
        ("!?", Shape.OTHER),
        ("\U0001f600", Shape.OTHER),
        ("\ud800", Shape.OTHER),
    ],
)
def test_a_word_has_the_shape_of_its_letters(word, expected):
    assert shapes(f"Some words {word} more") == [Shape.CAPITALIZED, Shape.LOWER, expected, Shape.LOWER]


@pytest.mark.parametrize("text", ["no capitals 12 here !", "NOTHING ELSE 12 HERE !", "12 !", ""])
def test_a_text_without_capitals_or_with_nothing_else_says_nothing(text):
    assert shapes(text) == [Shape.UNKNOWN] * len(text.split())


def test_the_pieces_of_a_word_share_its_shape():
    text = "lives Spamspam, PARIS hello"
    tokens = TOKENIZER.encode(text)
    assert [text[a:b] for a, b in zip(tokens.starts, tokens.ends, strict=True)] == [
        *("lives", "Spam", "spam", ",", "PARIS", "hello")
    ]
    assert word_shapes(text, tokens.starts, tokens.ends, tokens.begins).tolist() == [
        *(Shape.LOWER, Shape.CAPITALIZED, Shape.CAPITALIZED, Shape.OTHER, Shape.UPPER, Shape.LOWER)
    ]
