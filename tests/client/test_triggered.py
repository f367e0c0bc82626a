"""What an analysis says in one word, and what it keeps to itself."""

import pytest

from scanner_client.results import Analysis, OutputAnalysis, PromptAnalysis, ScannerResult


def result(name, *, triggered=False, action="allow", error=None):
    score = None if error else 0.9
    return ScannerResult(name, "kind", score, 0.5, triggered=triggered, action=action, error=error)


def test_those_triggered_are_named_and_those_that_could_not_run_where_that_blocks():
    results = (
        result("blocks", triggered=True, action="block"),
        result("watches", triggered=True, action="monitor"),
        result("finds nothing"),
        result("broken", action="block", error="scanner_failed"),
        result("excused", error="scanner_failed"),
        result("skipped", error="skipped"),
    )
    assert Analysis(False, {"finds nothing": 0.5}, results).triggered == ("blocks", "watches", "broken")


def test_without_details_those_over_their_threshold_are_named():
    assert Analysis(False, {"over": 0.1, "at": 0.0, "under": -0.5, "broken": 1.0}).triggered == ("over", "broken")


@pytest.mark.parametrize(
    "analysis",
    [
        PromptAnalysis(True, vault="a secret", sanitized_prompt="a secret"),
        OutputAnalysis(True, vault="a secret", sanitized_output="a secret"),
    ],
)
def test_nothing_of_the_text_is_shown_where_an_analysis_is_printed(analysis):
    assert "secret" not in repr(analysis)
