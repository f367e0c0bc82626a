"""Scores of several entities in one text."""

import numpy as np
import pytest

from scanner_service.inference import windows
from scanner_service.scanner import Prediction
from scanner_service.text import Span
from tests.inference.test_windows import TAGGER, TAGS, tokens_of


def test_each_entity_has_the_score_of_its_own_words():
    tags, sure = ("B-PERSON", "I-PERSON", "O", "B-LOCATION", "B-PERSON"), (3.0, 2.0, 8.0, 1.5, 4.0)
    logits = np.array([[[much * (name == tag) for name in TAGS] for tag, much in zip(tags, sure, strict=True)]])
    exact = np.exp(logits[0])
    shares = exact / exact.sum(axis=1, keepdims=True)
    person, location = shares[:, 1:3].sum(axis=1), shares[:, 3:5].sum(axis=1)
    tokens = tokens_of("john", "smith", "in", "paris", "ann")
    assert windows.token_predictions(TAGGER, logits, tokens, np.array([0])) == [
        Prediction("PERSON", pytest.approx(person[:2].mean(), abs=1e-6), Span(0, 10)),
        Prediction("LOCATION", pytest.approx(location[3], abs=1e-6), Span(14, 19)),
        Prediction("PERSON", pytest.approx(person[4], abs=1e-6), Span(20, 23)),
    ]
