from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.inference.tags import UNBEGUN, likeliest

TAGS = ("O", "B-PERSON", "I-PERSON", "B-LOCATION", "I-LOCATION")


def shares(*words):
    """Probabilities of the tags that are named; the others share the rest."""
    rows = []
    for word in words:
        rest = (1 - sum(word.values())) / (len(TAGS) - len(word))
        rows.append([word.get(tag, rest) for tag in TAGS])
    return np.array(rows)


def tags(*words):
    return [TAGS[index] for index in likeliest(shares(*words), TAGS)]


def test_words_that_agree_with_each_other_stay_as_they_are():
    words = {"B-PERSON": 0.6}, {"I-PERSON": 0.5}, {"O": 0.9}, {"B-LOCATION": 0.4}
    assert tags(*words) == ["B-PERSON", "I-PERSON", "O", "B-LOCATION"]


def test_a_word_between_two_names_has_that_of_its_neighbour():
    assert tags({"B-LOCATION": 0.45, "B-PERSON": 0.4}, {"I-PERSON": 0.9}) == ["B-PERSON", "I-PERSON"]
    assert tags({"B-PERSON": 0.9}, {"I-LOCATION": 0.45, "I-PERSON": 0.4}) == ["B-PERSON", "I-PERSON"]


def test_a_start_that_was_nearly_missed_is_found():
    assert tags({"O": 0.5, "B-PERSON": 0.45}, {"I-PERSON": 0.9}) == ["B-PERSON", "I-PERSON"]


def test_an_entity_that_surely_has_no_start_is_not_lost():
    assert tags({"O": 0.98}, {"I-PERSON": 0.98}, {"I-PERSON": 0.98}) == ["O", "I-PERSON", "I-PERSON"]


def test_what_is_surely_none_stays_none():
    assert tags({"O": 0.995}, {"I-PERSON": 0.9}, {"O": 0.995}) == ["O", "I-PERSON", "O"]


def test_no_words_have_no_tags():
    assert likeliest(np.empty((0, len(TAGS))), TAGS).tolist() == []


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=5, max_size=5), min_size=1, max_size=5))
def test_no_other_sequence_is_likelier(weights):
    rows = np.array(weights) / np.array(weights).sum(axis=1, keepdims=True)

    def cost(path):
        begins = zip(("O", *path[:-1]), path, strict=True)
        unbegun = sum(after[:2] == "I-" and before[2:] != after[2:] for before, after in begins)
        return UNBEGUN * unbegun - sum(np.log(row[TAGS.index(tag)]) for row, tag in zip(rows, path, strict=True))

    found = [TAGS[index] for index in likeliest(rows, TAGS)]
    assert cost(found) == pytest.approx(min(map(cost, product(TAGS, repeat=len(rows)))))
