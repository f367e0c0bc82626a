import numpy as np
import pytest

from training import spans
from training.rows import TAGS

BEGIN, INSIDE, OUT, DATE = (TAGS.index(name) for name in ("B-PERSON", "I-PERSON", "O", "B-DATE"))


def decode(tags, offsets, text):
    return set(spans.decode(9 * np.eye(len(TAGS))[tags], offsets, text))


def test_neighbouring_tags_of_one_type_make_one_span():
    text = "Ann Lee met Bo"
    assert decode([BEGIN, INSIDE, OUT, BEGIN], [(0, 3), (4, 7), (8, 11), (12, 14)], text) == {
        (0, 7, "PERSON"),
        (12, 14, "PERSON"),
    }


def test_the_first_piece_of_a_word_decides_for_the_whole_word():
    text = "Stephani left"
    assert decode([BEGIN, OUT, OUT], [(0, 4), (4, 8), (9, 13)], text) == {(0, 8, "PERSON")}
    assert decode([OUT, BEGIN, OUT], [(0, 4), (4, 8), (9, 13)], text) == set()


def test_a_tag_that_goes_on_without_a_start_starts_a_span():
    assert decode([INSIDE, DATE], [(0, 3), (4, 7)], "Ann May") == {(0, 3, "PERSON"), (4, 7, "DATE")}


def test_two_starts_are_two_spans_and_punctuation_divides_words():
    text = "Ann,Bo"
    assert decode([BEGIN, OUT, BEGIN], [(0, 3), (3, 4), (4, 6)], text) == {(0, 3, "PERSON"), (4, 6, "PERSON")}


def test_a_span_scores_the_mean_probability_of_its_type_and_less_when_cooled():
    logits = np.log(np.full((2, len(TAGS)), 0.01))
    logits[0, BEGIN], logits[1, INSIDE], logits[1, BEGIN] = np.log([0.9, 0.6, 0.2])
    (found,) = spans.decode(logits, [(0, 3), (4, 7)], "Ann Lee").items()
    of_type = [0.91 / 0.98, 0.8 / 0.87]
    assert found == ((0, 7, "PERSON"), pytest.approx(np.mean(of_type)))
    assert spans.decode(logits, [(0, 3), (4, 7)], "Ann Lee", temperature=2)[0, 7, "PERSON"] < found[1]
