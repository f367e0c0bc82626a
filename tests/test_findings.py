from hypothesis import given
from hypothesis import strategies as st

from scanner_service.findings import Action, Finding, ScannerResult, ScanResult, risk
from scanner_service.text import Span

shares = st.floats(0, 1)


@given(shares, shares)
def test_risk_is_finite_and_its_sign_says_whether_the_score_reached_the_threshold(score, threshold):
    value = risk(score, threshold)
    assert -1 <= value <= 1
    assert (value >= 0) == (score >= threshold)


@given(shares, shares, shares)
def test_risk_grows_with_the_score(threshold, one, other):
    low, high = sorted((one, other))
    assert risk(low, threshold) <= risk(high, threshold)


def test_risk_is_zero_at_the_threshold_and_one_at_the_top():
    assert risk(0.7, 0.7) == 0
    assert risk(1.0, 0.7) == 1
    assert risk(0.0, 0.7) == -1


def result(**changes):
    base = {"scanner": "one", "kind": "word", "score": 0.2, "threshold": 0.5, "action": Action.ALLOW}
    return ScannerResult(**(base | changes))


def test_a_result_with_a_redaction_only_is_valid():
    hit = Finding("WORD", 0.9, Span(0, 1))
    assert ScanResult((result(score=0.9, action=Action.REDACT, findings=(hit,)),), "x").is_valid


def test_one_block_makes_the_answer_invalid():
    hit = Finding("WORD", 0.9, Span(0, 1))
    assert not ScanResult((result(), result(score=0.9, action=Action.BLOCK, findings=(hit,))), "x").is_valid


def test_a_scanner_that_could_not_run_has_full_risk_when_it_blocks():
    failed = result(score=None, action=Action.BLOCK, error="scanner_failed")
    assert failed.risk == 1
    assert not failed.triggered
    assert not ScanResult((failed,), "x").is_valid


def test_a_scanner_that_could_not_run_and_is_excused_has_no_risk_at_all():
    assert result(score=None, action=Action.ALLOW, error="scanner_failed").risk is None
