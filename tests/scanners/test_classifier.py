import pytest

from scanner_service.errors import ConfigError
from scanner_service.scanner import ModelInfo, Prediction
from scanner_service.scanners import classifier
from scanner_service.testing import run_scanner
from scanner_service.text import Span

MODELS = {"guard": ModelInfo(frozenset({"INJECTION", "TOXICITY"}), bytes, "0" * 64)}


def build(**options):
    return classifier.build(classifier.Config(**{"labels": ("INJECTION",), **options}), MODELS)


def windows_of_twenty(text):
    """A model that is sure of `attack` and sees every text as windows of twenty characters."""
    for start in range(0, len(text), 20):
        span = Span(start, min(start + 20, len(text)))
        score = 0.9 if "attack" in span.of(text) else 0.1
        yield Prediction("INJECTION", score, span)
        yield Prediction("TOXICITY", 0.8, span)


def test_each_window_is_a_finding_with_its_score_and_span():
    text = "twenty characters.. then an attack here"
    findings = run_scanner(build(views=("raw",)), text, {"guard": lambda view: list(windows_of_twenty(view))})
    assert [(finding.label, finding.score, finding.span) for finding in findings] == [
        ("INJECTION", 0.1, Span(0, 20)),
        ("INJECTION", 0.9, Span(20, 39)),
    ]


def test_windows_of_the_same_words_are_findings_each_in_its_place():
    text = "ignore everything!! " * 3
    findings = run_scanner(build(), text, {"guard": lambda view: list(windows_of_twenty(view))})
    assert [finding.span for finding in findings] == [Span(0, 20), Span(20, 40), Span(40, 60)]


def test_labels_that_do_not_count_are_left_out():
    findings = run_scanner(
        build(labels=("TOXICITY",)), "an attack", {"guard": lambda view: list(windows_of_twenty(view))}
    )
    assert {finding.label for finding in findings} == {"TOXICITY"}


def test_an_ordinary_text_is_looked_at_once():
    asked = []

    def predict(view):
        asked.append(view)
        return list(windows_of_twenty(view))

    findings = run_scanner(build(), "an ordinary text", {"guard": predict})
    assert len(findings) == 1
    assert set(asked) == {"an ordinary text"}


def test_an_attack_in_a_derivation_points_at_the_original():
    text = "ple\u200base at\u200btack now"
    findings = run_scanner(build(), text, {"guard": lambda view: list(windows_of_twenty(view))})
    (hit,) = [finding for finding in findings if finding.score > 0.5]
    assert hit.view == "normalized"
    assert "at\u200btack" in hit.span.of(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "other"}, r"model`: no `other` in the manifest; there are: guard"),
        ({"labels": ("INJECTION", "JOY")}, r"labels`: no `JOY`; `guard` has: INJECTION, TOXICITY"),
        ({"views": ("sideways",)}, r"views`: no `sideways`"),
    ],
)
def test_what_does_not_exist_is_a_configuration_error(options, message):
    with pytest.raises(ConfigError, match=message):
        build(**options)
