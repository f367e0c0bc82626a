import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.thresholds import threshold_for

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
