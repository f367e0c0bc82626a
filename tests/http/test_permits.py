import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.errors import Forbidden, InvalidRequest
from scanner_service.findings import Action, Finding
from scanner_service.http import wire
from scanner_service.http.permits import permitted
from scanner_service.policy import Policy, Rule
from scanner_service.text import Span
from tests.conftest import WordScanner
from tests.http.test_scans import SCANS, assert_refused, body_for
from tests.http.test_streams import lines_of, post

SHARES = st.floats(0, 1)


def asked(**fields):
    return wire.PromptRequest(prompt="", **fields)


@pytest.fixture
def faint(world, word_rule):
    """A client of a policy that sees a word and does not mind it."""
    chain = (word_rule("faint", score=0.4, threshold=0.6, thresholds={"WORD": 0.7}), word_rule("other", optional=True))
    world.policies["default"] = Policy("default", "d", chain, chain)
    return world.client


@pytest.mark.parametrize("path", SCANS)
def test_a_lowered_threshold_is_what_a_score_is_held_against(faint, path):
    assert faint.post(path, json=body_for(path, "faint")).json()["is_valid"] is True
    answer = faint.post(path, json=body_for(path, "faint", thresholds={"faint": 0.3})).json()
    assert (answer["is_valid"], answer["results"][0]["threshold"]) == (False, 0.3)
    assert answer["policy_digest"] == "d"


def test_a_batch_and_a_stream_can_be_tightened_too(faint):
    batch = faint.post("/analyze/prompts", json={"prompts": ["faint", "a"], "thresholds": {"faint": 0.3}}).json()
    assert [one["is_valid"] for one in batch["results"]] == [False, True]
    *_, verdict = lines_of(post(faint, {"thresholds": {"faint": 0.3}}, {"delta": "faint"}))
    assert verdict["is_valid"] is False


def test_raising_a_threshold_is_forbidden_and_names_its_rule(faint):
    body = {"prompt": "faint", "thresholds": {"other": 0.1, "faint": 0.71}}
    assert_refused(faint.post("/analyze/prompt", json=body), 403, "forbidden", "$.thresholds.faint")


@pytest.mark.parametrize(
    "thresholds", [{"nobody": 0.1}, {"": 0.1}, {"faint": 1.1}, {"faint": -0.1}, {"faint": True}, {"faint": None}, []]
)
def test_what_is_no_threshold_of_the_policy_is_an_error_that_repeats_nothing(faint, thresholds):
    response = faint.post("/analyze/prompt", json={"prompt": "faint", "thresholds": thresholds})
    assert_refused(response, 422, "invalid_request")
    assert response.json()["error"]["message"].startswith("`$.thresholds")
    assert "nobody" not in response.text


def test_a_rule_may_be_suppressed_and_named_in_thresholds(faint):
    body = {"prompt": "other", "thresholds": {"other": 0.1}, "scanners_suppress": ["other"]}
    assert faint.post("/analyze/prompt", json=body).json()["is_valid"] is True


@given(SHARES, st.dictionaries(st.sampled_from("ABC"), SHARES), SHARES, st.sampled_from("ABCD"), SHARES)
def test_no_request_makes_a_rule_miss_what_it_would_have_found(threshold, own, wanted, label, score):
    rule = _rule(threshold, own)
    try:
        (tightened,) = permitted([rule], asked(thresholds={"rule": wanted}))
    except Forbidden:
        assert wanted > max(threshold, *own.values(), 0)
        return
    finding = Finding(label, score, Span(0, 1))
    assert tightened.judge([finding]).triggered >= rule.judge([finding]).triggered
    assert tightened.judge([finding]).triggered >= (score >= wanted)


def test_without_wishes_the_rules_are_those_of_the_policy():
    rules = [_rule(0.5, {})]
    assert permitted(rules, asked()) == rules
    with pytest.raises(InvalidRequest):
        permitted(rules, asked(thresholds={"another": 0.5}))


def _rule(threshold, own):
    scanner = WordScanner("x")
    return Rule(name="rule", kind="word", scanner=scanner, action=Action.BLOCK, threshold=threshold, thresholds=own)
