import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.thresholds import joint_thresholds, threshold_for

RATES = st.floats(0, 0.5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), RATES)
def test_at_most_the_target_share_of_harmless_scores_is_stopped(scores, rate):
    threshold = threshold_for(scores, rate)
    stopped = sum(score >= threshold for score in scores)
    assert stopped <= rate * len(scores) or threshold == 1.0


def test_the_threshold_is_as_low_as_the_target_allows():
    scores = [i / 1_000 for i in range(1_000)]
    threshold = threshold_for(scores, 0.005)
    assert sum(score >= threshold for score in scores) == 5


def test_a_target_of_nothing_lies_just_above_the_highest_score():
    assert 0.7 < threshold_for([0.1, 0.7, 0.3], 0) < 0.7001


def test_without_scores_or_with_a_share_of_one_there_is_no_threshold():
    with pytest.raises(ValueError, match="scores"):
        threshold_for([], 0.1)
    with pytest.raises(ValueError, match="rate"):
        threshold_for([0.5], 1.0)


def test_labels_share_the_target_among_them():
    first = [i / 1_000 for i in range(1_000)]
    thresholds = joint_thresholds([first, first[::-1], [0.0] * 1_000], 0.01)
    stopped = sum(a >= thresholds[0] or b >= thresholds[1] for a, b in zip(first, first[::-1], strict=True))
    assert stopped == 10, "five texts of the one label and five others of the other"
    assert 0 < thresholds[2] < 0.001


@given(st.lists(st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)), min_size=1, max_size=60), RATES)
def test_the_labels_together_never_stop_more_than_the_target(texts, rate):
    labels = [list(column) for column in zip(*texts, strict=True)]
    limits = joint_thresholds(labels, rate)
    stopped = sum(any(score >= limit for score, limit in zip(text, limits, strict=True)) for text in texts)
    assert stopped <= rate * len(texts)
