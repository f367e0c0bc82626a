import numpy as np

from training import spans
from training.rows import TAGS

BEGIN, INSIDE, OUT, DATE = (TAGS.index(name) for name in ("B-PERSON", "I-PERSON", "O", "B-DATE"))


def decode(tags, offsets, text):
    return spans.decode(9 * np.eye(len(TAGS))[tags], offsets, text)


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
