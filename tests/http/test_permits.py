import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.errors import Forbidden, InvalidRequest
from scanner_service.findings import Action, Finding
from scanner_service.http import wire
from scanner_service.http.permits import permitted
from scanner_service.policy import Policy, Rule
from scanner_service.scanners.pii import Config, build
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


@pytest.mark.parametrize(("names", "status"), [(64, 200), (65, 422)])
def test_the_names_of_rules_to_suppress_are_bounded(faint, names, status):
    response = faint.post("/analyze/prompt", json={"prompt": "other", "scanners_suppress": ["other"] * names})
    assert response.status_code == status
    if status != 200:
        assert_refused(response, status, "invalid_request", "$.scanners_suppress")


@given(SHARES, st.dictionaries(st.sampled_from("ABC"), SHARES), SHARES, st.sampled_from("ABCD"), SHARES)
def test_no_request_makes_a_rule_miss_what_it_would_have_found(threshold, own, wanted, label, score):
    rule = _rule(threshold, own)
    try:
        (tightened,) = allowed([rule], thresholds={"rule": wanted})
    except Forbidden:
        assert wanted > max(threshold, *own.values(), 0)
        return
    finding = Finding(label, score, Span(0, 1))
    assert tightened.judge([finding]).triggered >= rule.judge([finding]).triggered
    assert tightened.judge([finding]).triggered >= (score >= wanted)


def test_without_wishes_the_rules_are_those_of_the_policy():
    rules = [_rule(0.5, {})]
    assert allowed(rules) == rules
    with pytest.raises(InvalidRequest):
        allowed(rules, thresholds={"another": 0.5})


@pytest.fixture
def personal(world):
    """A client of a policy that redacts e-mail addresses, and knows nothing of other personal data."""
    pii = Rule(name="pii", kind="pii", scanner=build(Config(entities=["EMAIL_ADDRESS"]), {}), action=Action.REDACT)
    world.policies["default"] = Policy("default", "d", (pii, _rule(0.5, {})), (pii,))
    return world.client


ADDRESSES = "ada@example.com and DE89 3704 0044 0532 0130 00"


def test_an_added_entity_is_found_beside_those_of_the_policy(personal):
    for _ in range(2):  # the second answer comes from memory
        plain = personal.post("/analyze/prompt", json={"prompt": ADDRESSES}).json()
        assert plain["sanitized_prompt"] == "[EMAIL_ADDRESS_1] and DE89 3704 0044 0532 0130 00"
        more = personal.post("/analyze/prompt", json={"prompt": ADDRESSES, "entities": {"pii": ["IBAN_CODE"]}}).json()
        assert more["sanitized_prompt"] == "[EMAIL_ADDRESS_1] and [IBAN_CODE_1]"


def test_entities_can_be_added_to_batches_and_streams_and_be_those_that_are_there(personal):
    wish = {"entities": {"pii": ["IBAN_CODE", "EMAIL_ADDRESS"]}}
    batch = personal.post("/analyze/prompts", json={"prompts": [ADDRESSES], **wish}).json()
    assert batch["results"][0]["sanitized_prompt"] == "[EMAIL_ADDRESS_1] and [IBAN_CODE_1]"
    shown = lines_of(post(personal, wish, {"delta": ADDRESSES}))
    assert "".join(line.get("text", "") for line in shown) == "[EMAIL_ADDRESS_1] and [IBAN_CODE_1]"


@pytest.mark.parametrize(
    "entities",
    [
        {"pii": ["NOTHING"]},
        {"rule": ["IBAN_CODE"]},
        {"nobody": ["IBAN_CODE"]},
        {"pii": "IBAN_CODE"},
        {"pii": ["A"] * 65},
    ],
)
def test_what_no_rule_can_look_for_is_an_error_that_repeats_no_value(personal, entities):
    response = personal.post("/analyze/prompt", json={"prompt": ADDRESSES, "entities": entities})
    assert_refused(response, 422, "invalid_request")
    assert response.json()["error"]["message"].startswith("`$.entities")
    assert not [value for value in ("nobody", "NOTHING", "IBAN_CODE") if value in response.text]


def allowed(rules, **wishes):
    return asyncio.run(permitted(rules, asked(**wishes)))


def _rule(threshold, own):
    scanner = WordScanner("x")
    return Rule(name="rule", kind="word", scanner=scanner, action=Action.BLOCK, threshold=threshold, thresholds=own)
