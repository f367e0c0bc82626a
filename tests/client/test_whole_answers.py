"""What is left of a whole answer once one of its fields is missing, or something else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_client.errors import UnexpectedAnswer
from scanner_client.results import decode, read_output, read_prompt

FINDING = {"label": "INJECTION", "score": 0.9, "start": 3, "end": 9, "view": "decoded"}
RESULT = {
    "scanner": "attack",
    "kind": "classifier",
    "score": 0.9,
    "threshold": 0.5,
    "triggered": True,
    "action": "block",
    "findings": [FINDING],
    "error": None,
    "duration_ms": 1.5,
}
ANSWER = {
    "is_valid": False,
    "blocked": True,
    "message": "attack: INJECTION at 3–9",
    "scanners": {"attack": 0.8, "other": -1},
    "results": [RESULT],
    "policy": "default",
    "policy_digest": "0123456789abcdef",
    "request_id": "r1",
    "vault": "v1.token",
    "sanitized_prompt": "a prompt",
    "sanitized_output": "an output",
}
NEEDED = {"is_valid", "scanners", "sanitized_prompt"}
NEEDED_OF_A_RESULT = {"scanner", "kind", "threshold", "triggered", "action"}
NEEDED_OF_A_FINDING = {"label", "score", "start", "end"}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def read(answer, read_one=read_prompt):
    return read_one(decode(json.dumps(answer).encode()))


def refused(answer):
    try:
        read(answer)
    except UnexpectedAnswer as error:
        return str(error)
    return None


def test_a_whole_answer_is_read_to_the_last_field():
    prompt, output = read(ANSWER), read(ANSWER, read_output)
    assert (prompt.sanitized_prompt, output.sanitized_output) == ("a prompt", "an output")
    for analysis in (prompt, output):
        assert (analysis.is_valid, analysis.scores) == (False, {"attack": 0.8, "other": -1.0})
        said = ("message", "policy", "policy_digest", "request_id", "vault")
        assert {name: getattr(analysis, name) for name in said} == {name: ANSWER[name] for name in said}
        [result] = analysis.results
        assert {name: getattr(result, name) for name in RESULT.keys() - {"findings"}} == {
            name: value for name, value in RESULT.items() if name != "findings"
        }
        [finding] = result.findings
        assert {name: getattr(finding, name) for name in FINDING} == FINDING


@pytest.mark.parametrize("name", ANSWER.keys() - {"sanitized_output"})
def test_an_answer_without_a_field_that_matters_is_none(name):
    assert (refused({key: value for key, value in ANSWER.items() if key != name}) is not None) is (name in NEEDED)


def within(part, level):
    result = part if level == "result" else RESULT | {"findings": [part]}
    return ANSWER | {"results": [result]}


@pytest.mark.parametrize(
    ("level", "name"),
    [*(("result", name) for name in RESULT), *(("finding", name) for name in FINDING)],
)
def test_nor_is_one_whose_details_lack_it(level, name):
    whole, needed = (RESULT, NEEDED_OF_A_RESULT) if level == "result" else (FINDING, NEEDED_OF_A_FINDING)
    part = {key: value for key, value in whole.items() if key != name}
    assert (refused(within(part, level)) is not None) is (name in needed)


@given(st.sampled_from(sorted(ANSWER.keys() - {"sanitized_output"})), ANY_JSON)
def test_a_field_is_taken_as_what_it_says_or_not_at_all(name, value):
    answer = ANSWER | {name: value}
    if refused(answer) is None:
        analysis = read(answer)
        assert analysis.is_valid is False
        assert analysis.sanitized_prompt == answer["sanitized_prompt"]
        assert (analysis.vault, analysis.scores) == (answer["vault"], answer["scanners"])
        assert analysis.message == (answer["message"] or "")


@pytest.mark.parametrize("is_valid", [True, False])
@pytest.mark.parametrize("blocked", [True, False, None, 1, "x"])
def test_a_verdict_that_contradicts_itself_is_none(is_valid, blocked):
    said = refused(ANSWER | {"is_valid": is_valid, "blocked": blocked})
    assert (said is not None) is (blocked is is_valid)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 10**400, True, None, "0.1"])
def test_a_score_that_is_no_finite_number_is_none(score):
    assert "attack" in refused(ANSWER | {"scanners": {"attack": score}})
    assert refused(ANSWER | {"scanners": {"no name\nof a rule": score}}).startswith("the answer's score is no ")
