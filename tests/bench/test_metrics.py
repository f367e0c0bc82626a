import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import metrics

SCORES = st.lists(st.integers(0, 20).map(float), min_size=1, max_size=40)


@given(SCORES, SCORES)
def test_auc_is_the_share_of_pairs_in_the_right_order(positives, negatives):
    pairs = [(p > n) + 0.5 * (p == n) for p in positives for n in negatives]
    assert metrics.auc(positives, negatives) == pytest.approx(sum(pairs) / len(pairs))


def test_auc_without_one_of_the_classes_is_refused():
    with pytest.raises(ValueError, match="negatives"):
        metrics.auc([1.0], [])


@given(SCORES, SCORES, st.floats(0, 0.9))
def test_the_recall_never_lets_more_negatives_through_than_allowed(positives, negatives, rate):
    threshold = metrics.threshold_at_fpr(negatives, rate)
    assert sum(n > threshold for n in negatives) <= rate * len(negatives)
    recall = metrics.recall_at_fpr(positives, negatives, rate)
    assert recall == sum(p > threshold for p in positives) / len(positives)


def test_recall_at_one_percent_of_a_hundred_negatives_passes_one():
    negatives = [float(i) for i in range(100)]
    assert metrics.threshold_at_fpr(negatives, 0.01) == 98.0
    assert metrics.recall_at_fpr([98.5, 98.0, 97.0], negatives, 0.01) == pytest.approx(1 / 3)


def test_average_precision_of_known_rankings():
    assert metrics.average_precision([0.9, 0.8], [0.1]) == 1.0
    assert metrics.average_precision([0.9, 0.1], [0.5]) == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.average_precision([0.5], [0.5]) == 0.5, "ties count against"


def test_the_wilson_interval_matches_published_values():
    low, high = metrics.wilson(0, 100)
    assert low == 0.0
    assert high == pytest.approx(0.0370, abs=1e-4)
    low, high = metrics.wilson(50, 100)
    assert (low, high) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    assert metrics.wilson(0, 0) == (0.0, 1.0)


def test_span_f1_counts_exact_spans_of_each_type():
    gold = [{(0, 3, "PERSON"), (5, 9, "DATE")}, set()]
    found = [{(0, 3, "PERSON"), (5, 8, "DATE")}, {(1, 2, "PERSON")}]
    scores = metrics.span_f1(gold, found)
    assert scores["PERSON"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "spans": 1}
    assert scores["DATE"]["f1"] == 0.0
