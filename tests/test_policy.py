from scanner_service.findings import Action, Finding
from scanner_service.sanitizer import Operator, Redaction
from scanner_service.text import Span


def finding(score, label="WORD", start=0):
    return Finding(label, score, Span(start, start + 1))


def test_a_finding_exactly_at_the_threshold_triggers(word_rule):
    assert word_rule("x", threshold=0.5).judge([finding(0.5)]).triggered


def test_a_finding_below_the_threshold_is_scored_but_not_reported(word_rule):
    result = word_rule("x", threshold=0.5).judge([finding(0.4)])
    assert (result.score, result.findings, result.action) == (0.4, [], Action.ALLOW)
    assert not result.triggered


def test_a_label_may_have_a_threshold_of_its_own(word_rule):
    rule = word_rule("x", threshold=0.5, thresholds={"MILD": 0.95})
    result = rule.judge([finding(0.9, "MILD"), finding(0.6, "HARSH", 4)])
    assert [hit.label for hit in result.findings] == ["HARSH"]
    assert (result.score, result.threshold) == (0.6, 0.5)


def test_the_score_is_the_one_furthest_over_its_own_threshold(word_rule):
    rule = word_rule("x", threshold=0.9, thresholds={"LOW": 0.1})
    result = rule.judge([finding(0.91, "HIGH"), finding(0.8, "LOW", 3)])
    assert (result.score, result.threshold) == (0.8, 0.1)


def test_no_findings_at_a_threshold_of_zero_does_not_trigger(word_rule):
    result = word_rule("x", threshold=0.0).judge([])
    assert not result.triggered
    assert result.action is Action.ALLOW


def test_findings_come_in_the_order_of_the_text(word_rule):
    result = word_rule("x").judge([finding(1.0, start=7), finding(1.0, start=2)])
    assert [hit.span.start for hit in result.findings] == [2, 7]


def test_a_rule_that_could_not_run_blocks_unless_it_is_told_otherwise(word_rule):
    assert word_rule("x").excuse("scanner_failed").blocks
    assert not word_rule("x", on_error=Action.ALLOW).excuse("scanner_failed").blocks


def test_only_a_redacting_rule_that_triggered_edits_the_text(word_rule):
    rule = word_rule("x", Action.REDACT, operators={"NAME": Operator.MASK})
    assert list(rule.redactions(rule.judge([finding(1.0, "NAME")]))) == [Redaction(Span(0, 1), "NAME", Operator.MASK)]
    assert list(rule.redactions(rule.judge([finding(0.1)]))) == []
    blocking = word_rule("x")
    assert list(blocking.redactions(blocking.judge([finding(1.0)]))) == []


def test_a_rule_that_monitors_reports_but_neither_blocks_nor_edits(word_rule):
    rule = word_rule("x", Action.MONITOR)
    result = rule.judge([finding(1.0)])
    assert (result.triggered, result.action, result.blocks, result.risk) == (True, Action.MONITOR, False, 1.0)
    assert list(rule.redactions(result)) == []


def test_a_rule_that_monitors_is_excused_even_where_a_failure_would_block(word_rule):
    result = word_rule("x", Action.MONITOR, on_error=Action.BLOCK).excuse("model_failed")
    assert (result.error, result.blocks, result.risk) == ("model_failed", False, None)
