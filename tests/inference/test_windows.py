import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.inference import windows
from scanner_service.inference.manifest import Head
from scanner_service.inference.tokenizer import Tokens
from scanner_service.scanner import Prediction
from scanner_service.text import Span

SIGMOID = Head(output="injection", kind="sequence", activation="sigmoid", labels=("INJECTION",))
SOFTMAX = Head(output="logits", kind="sequence", activation="softmax", labels=("LEGIT", "INJECTION"))
TAGS = ("O", "B-PERSON", "I-PERSON", "B-LOCATION", "I-LOCATION")
TAGGER = Head(output="entities", kind="token", activation="softmax", labels=TAGS)


def tokens_of(*pieces, unknown=()):
    """Tokens of pieces that stand one space apart; a piece that starts with `##` continues its word."""
    starts, ends, at = [], [], 0
    for piece in pieces:
        if not piece.startswith("##") and ends:
            at += 1
        starts.append(at)
        at += len(piece.removeprefix("##"))
        ends.append(at)
    return Tokens(
        ids=np.arange(len(pieces)),
        starts=np.array(starts, dtype=np.int64),
        ends=np.array(ends, dtype=np.int64),
        begins=np.array([not piece.startswith("##") for piece in pieces]),
        unknown=np.array([piece in unknown for piece in pieces]),
    )


def tagged(*tags, sure=8.0):
    """Logits [1, tokens, labels] of a model that is sure of *tags*."""
    return np.array([[[sure * (name == tag) for name in TAGS] for tag in tags]], dtype=np.float32)


sizes = st.tuples(st.integers(0, 3000), st.integers(2, 200)).flatmap(
    lambda both: st.tuples(st.just(both[0]), st.just(both[1]), st.integers(0, both[1] // 2))
)


@given(sizes)
def test_windows_cover_every_token_and_are_equally_long(sizes):
    count, size, overlap = sizes
    at = windows.starts(count, size, overlap).tolist()
    size = min(size, count)
    assert {token for start in at for token in range(start, start + size)} == set(range(count))
    assert all(0 <= start <= count - size for start in at)


@given(sizes)
def test_neighbours_share_at_least_the_overlap(sizes):
    count, size, overlap = sizes
    at = windows.starts(count, size, overlap)
    assert (np.diff(at) > 0).all()
    assert (at[:-1] + size - at[1:] >= overlap).all()


@given(sizes)
def test_there_are_no_more_windows_than_needed(sizes):
    count, size, overlap = sizes
    assert len(windows.starts(count, size, overlap)) == (
        max(1, math.ceil((count - overlap) / (size - overlap))) if count else 0
    )


def test_rows_are_framed():
    ids = np.arange(10, 17)
    rows = windows.rows(ids, windows.starts(7, 4, 1), 4, [1], [2, 3])
    assert rows.tolist() == [[1, 10, 11, 12, 13, 2, 3], [1, 13, 14, 15, 16, 2, 3]]


def test_a_short_text_is_one_row_of_its_own_length():
    assert windows.rows(np.arange(3), windows.starts(3, 126, 32), 126, [101], [102]).tolist() == [[101, 0, 1, 2, 102]]


def test_a_window_covers_the_characters_of_its_tokens():
    tokens = tokens_of("john", "smith", "##s", "lives")
    assert windows.spans(tokens, np.array([0, 1]), 3) == [Span(0, 11), Span(5, 17)]


def test_there_is_one_prediction_for_each_window_and_label():
    head = msgspec.structs.replace(SIGMOID, labels=("TOXICITY", "THREAT"))
    covered = [Span(0, 5), Span(3, 9)]
    said = windows.sequence_predictions(head, np.array([[0, -1000], [1000, 0]], dtype=np.float32), covered)
    assert said == [
        Prediction("TOXICITY", 0.5, Span(0, 5)),
        Prediction("THREAT", 0.0, Span(0, 5)),
        Prediction("TOXICITY", 1.0, Span(3, 9)),
        Prediction("THREAT", 0.5, Span(3, 9)),
    ]


def test_temperature_divides_logits():
    head = msgspec.structs.replace(SIGMOID, temperature=2.0)
    assert windows.scores(head, np.array([[3.0]]))[0, 0] == pytest.approx(1 / (1 + math.exp(-1.5)))


@given(st.lists(st.lists(st.floats(-50, 50, width=32), min_size=3, max_size=3), min_size=1, max_size=1))
def test_softmax_scores_of_one_window_are_probabilities_that_add_up_to_one(logits):
    head = msgspec.structs.replace(SOFTMAX, labels=("A", "B", "C"))
    row = windows.scores(head, np.array(logits, dtype=np.float32))[0]
    exact = np.exp(np.array(logits[0]) - max(logits[0]))
    assert row == pytest.approx(exact / exact.sum(), abs=10**-windows.DIGITS)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50))
def test_scores_are_between_zero_and_one_whatever_the_logits(logits):
    column = np.array(logits, dtype=np.float32)[:, None]
    for head, values in ((SIGMOID, column), (SOFTMAX, np.hstack([column, -column]))):
        scored = windows.scores(msgspec.structs.replace(head, window_penalty=1.0), values)
        assert ((scored >= 0) & (scored <= 1)).all()


def test_the_penalty_is_taken_from_the_logit_by_the_logarithm_of_the_windows():
    head = msgspec.structs.replace(SIGMOID, window_penalty=0.8, temperature=2.0)
    logits = np.array([[3.0], [-1.0], [0.0], [-2.0]])
    expected = 1 / (1 + math.exp(-(3.0 - 0.8 * math.log(4)) / 2.0))
    assert windows.scores(head, logits).max() == pytest.approx(expected)


@pytest.mark.parametrize("head", [SIGMOID, SOFTMAX])
def test_a_text_of_one_window_pays_no_penalty(head):
    logits = np.array([[1.0, 2.0]])[:, : len(head.labels)]
    dear = msgspec.structs.replace(head, window_penalty=5.0)
    assert windows.scores(dear, logits) == pytest.approx(windows.scores(head, logits))


def many_benign_texts(windows_each, texts=400, scale=0.8, location=-8.0):
    """The logits of benign windows: an upper tail that falls exponentially, with *scale*."""
    rng = np.random.default_rng(7)
    return location + scale * rng.logistic(size=(texts, windows_each, 1))


def positives(head, texts, threshold=0.5):
    return np.mean([windows.scores(head, text).max() >= threshold for text in texts])


def test_many_windows_alone_do_not_make_a_benign_text_positive():
    """
    One benign window in about 20,000 is positive: of long texts nearly a tenth, unless they pay for their windows.
    """
    paying = msgspec.structs.replace(SIGMOID, window_penalty=0.8)
    assert positives(SIGMOID, many_benign_texts(1, texts=40_000)) < 0.001
    assert positives(SIGMOID, many_benign_texts(2000)) > 0.05
    assert positives(paying, many_benign_texts(2000)) < 0.001


def test_an_attack_in_one_of_many_windows_affords_the_penalty():
    paying = msgspec.structs.replace(SIGMOID, window_penalty=0.8)
    texts = many_benign_texts(2000, texts=100)
    texts[:, 1234] = 8.0
    assert positives(paying, texts) == 1.0


def test_what_cannot_be_read_is_reported_with_its_share_of_each_window():
    tokens = tokens_of("漢漢", "hell", "##o", "you", "me", unknown=["漢漢"])
    at = windows.starts(5, 3, 1)
    said = windows.unintelligible(tokens, at, 3, windows.spans(tokens, at, 3))
    assert said == [Prediction("UNINTELLIGIBLE", pytest.approx(2 / 7), Span(0, 8))]


def test_what_can_be_read_is_not_reported():
    tokens = tokens_of("hello", "you")
    assert windows.unintelligible(tokens, np.array([0]), 126, [Span(0, 9)]) == []


def entities(tokens, logits, at=(0,), head=TAGGER):
    return [(p.label, p.span.start, p.span.end) for p in windows.token_predictions(head, logits, tokens, np.array(at))]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("O", "O", "O"), []),
        (("B-PERSON", "I-PERSON", "O"), [("PERSON", 0, 10)]),
        (("B-PERSON", "B-PERSON", "O"), [("PERSON", 0, 4), ("PERSON", 5, 10)]),
        (("I-PERSON", "I-PERSON", "O"), [("PERSON", 0, 10)]),
        (("B-PERSON", "I-LOCATION", "I-LOCATION"), [("PERSON", 0, 4), ("LOCATION", 5, 16)]),
        (("O", "O", "B-LOCATION"), [("LOCATION", 11, 16)]),
        (("B-PERSON", "O", "I-PERSON"), [("PERSON", 0, 4), ("PERSON", 11, 16)]),
    ],
)
def test_tags_become_entities(tags, expected):
    assert entities(tokens_of("john", "smith", "paris"), tagged(*tags)) == expected


@pytest.mark.parametrize("rest", TAGS)
def test_the_first_piece_speaks_for_its_word(rest):
    tokens = tokens_of("jo", "##hn", "##ny", "lives")
    assert entities(tokens, tagged("B-PERSON", rest, rest, "O")) == [("PERSON", 0, 6)]
    assert entities(tokens, tagged("O", rest, rest, "O")) == []


def test_the_score_is_the_mean_probability_of_belonging_to_such_an_entity():
    logits = np.array([[[0, 5, 4, 0, 0], [1, 0, 2, 0, 0]]], dtype=np.float32)
    head = msgspec.structs.replace(TAGGER, temperature=1.5)
    exact = np.exp(logits[0].astype(float) / 1.5)
    shares = exact / exact.sum(axis=1, keepdims=True)
    (said,) = windows.token_predictions(head, logits, tokens_of("john", "smith"), np.array([0]))
    assert said.score == pytest.approx(shares[:, 1:3].sum(axis=1).mean())


def test_an_entity_across_windows_is_one_entity():
    tokens = tokens_of(*"abcdef")
    tags = ["O", "O", "B-PERSON", "I-PERSON", "O", "O"]
    logits = np.concatenate([tagged(*tags[0:4]), tagged(*tags[2:6])])
    assert entities(tokens, logits, at=(0, 2)) == [("PERSON", 4, 7)]


def test_a_token_is_tagged_in_the_window_where_it_is_farther_from_the_border():
    tokens = tokens_of(*"abcdefgh")
    near_end, near_start = tagged(*["O"] * 3, "O", "O", "B-PERSON"), tagged("B-PERSON", "B-PERSON", *["O"] * 4)
    # windows 0-5 and 2-7 share c, d, e, f; c and d are read in the first, e and f in the second
    assert entities(tokens, np.concatenate([near_end, near_start]), at=(0, 2)) == []
    assert entities(tokens, np.concatenate([near_end, near_start])[::-1], at=(0, 2)) == [
        ("PERSON", 0, 1),
        ("PERSON", 2, 3),
        ("PERSON", 14, 15),
    ]


@given(sizes.filter(lambda sizes: sizes[0] > 0), st.data())
def test_windows_that_agree_give_the_entities_of_the_text_read_at_once(sizes, data):
    count, size, overlap = min(sizes[0], 300), *sizes[1:]
    tags = [data.draw(st.sampled_from(TAGS)) for _ in range(min(count, 12))] * (count // 12 + 1)
    tags = tags[:count]
    tokens, whole = tokens_of(*"x" * count), tagged(*tags)
    at = windows.starts(count, size, overlap)
    cut = np.concatenate([whole[:, start : start + min(size, count)] for start in at])
    assert windows.token_predictions(TAGGER, cut, tokens, at) == windows.token_predictions(
        TAGGER, whole, tokens, np.array([0])
    )
