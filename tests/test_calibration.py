import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.calibration import Rate, choose_thresholds, rate, threshold_for, wilson

scores = st.lists(st.floats(0, 1), min_size=1, max_size=200)


@given(scores, st.floats(0, 0.99))
def test_no_more_than_the_target_share_lies_at_or_over_the_threshold(values, target):
    threshold = threshold_for(values, target)
    over = sum(value >= threshold for value in values)
    assert over <= target * len(values) or threshold == 1.0


@given(scores, st.floats(0, 0.99))
def test_the_threshold_is_the_lowest_that_keeps_the_target(values, target):
    threshold = threshold_for(values, target)
    lower = round(threshold - 1e-6, 6)
    assert lower < 0 or sum(value >= lower for value in values) > target * len(values)


@given(scores, st.floats(0, 0.99))
def test_the_threshold_is_what_is_written(values, target):
    threshold = threshold_for(values, target)
    assert float(f"{threshold:.6f}") == threshold


def test_no_threshold_is_over_one_even_where_harmless_texts_score_one():
    assert threshold_for([1.0] * 10, 0.0) == 1.0
    assert threshold_for([0.9999999] * 10, 0.0) == 1.0
    assert threshold_for([0.5, 1.0], 0.5) == 0.500001


@pytest.mark.parametrize(("values", "target"), [([], 0.1), ([0.5], 1.0), ([0.5], -0.1)])
def test_what_cannot_be_chosen_is_refused(values, target):
    with pytest.raises(ValueError, match="threshold"):
        threshold_for(values, target)


def test_the_interval_holds_the_share_and_shrinks_with_the_number():
    low, high = wilson(5, 1000)
    assert 0.002 < low < 0.005 < high < 0.012
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0.0
    assert str(Rate(0, 0)) == "-"
    assert str(Rate(1, 200)).startswith("0.50% of 200 (")


@given(st.lists(st.fixed_dictionaries({"A": st.floats(0, 0.99), "B": st.floats(0, 0.99)}), min_size=1, max_size=100))
def test_all_labels_together_keep_the_target(harmless):
    chosen = choose_thresholds(harmless, ["A", "B"], 0.1)
    assert rate(harmless, chosen).hits <= 0.1 * len(harmless)


def test_one_label_gets_the_whole_target():
    harmless = [{"A": number / 1000} for number in range(1000)]
    assert rate(harmless, choose_thresholds(harmless, ["A"], 0.005)).hits == 5


def test_labels_that_stop_different_texts_share_the_target_and_leave_none_of_it():
    harmless = [{"A": number / 1000, "B": ((number + 500) % 1000) / 1000} for number in range(1000)]
    hits = rate(harmless, choose_thresholds(harmless, ["A", "B"], 0.01)).hits
    assert hits == 10
