import pytest
import yaml

from scanner_service import doubts
from scanner_service.config import DEFAULT_CONFIG

WHOLE = {"name": "keys", "kind": "secrets"}


def find(prompt, output=WHOLE, **more):
    policies = {"default": {"prompt": [prompt], "output": [output]}} | more
    return doubts.find(yaml.safe_dump({"policies": policies}).encode())


@pytest.mark.parametrize("action", ["redact", "monitor"])
def test_a_rule_that_does_not_block_cannot_stop_others(action):
    (doubt,) = find(WHOLE | {"action": action, "stops": True})
    assert doubt.startswith("`$.policies.default.prompt[0].stops`: ")
    assert f"`{action}`" in doubt


@pytest.mark.parametrize("action", [{}, {"action": "block"}, {"action": "monitor"}])
@pytest.mark.parametrize("said", [{"operator": "mask"}, {"operators": {"JWT": "hash"}}, {"fold_variants": True}])
def test_a_rule_that_does_not_redact_has_no_operator(action, said):
    (doubt,) = find(WHOLE, WHOLE | action | said)
    assert doubt.startswith(f"`$.policies.default.output[0].{next(iter(said))}`: ")


def test_what_a_rule_has_from_its_base_is_not_doubted():
    base = WHOLE | {"action": "redact", "operator": "mask"}
    assert find(base, strict={"base": "default", "prompt": [{"name": "keys", "action": "block"}]}) == []
    assert find(base, strict={"base": "default", "prompt": [{"name": "keys", "operator": "hash"}]}) == []
    (doubt,) = find(
        base, strict={"base": "default", "prompt": [{"name": "keys", "action": "block", "stops": True}]}
    ) + find(base, strict={"base": "default", "prompt": [{"name": "keys", "action": "monitor", "stops": True}]})
    assert doubt.startswith("`$.policies.strict.prompt[0].stops`")


@pytest.mark.parametrize(
    "rule",
    [
        {"stops": True},
        {"action": "redact", "operator": "mask", "operators": {"JWT": "hash"}, "fold_variants": True},
        {"action": "monitor", "stops": False, "operator": "replace", "operators": {}, "fold_variants": False},
    ],
)
def test_what_has_an_effect_is_not_doubted(rule):
    assert find(WHOLE | rule) == []


def pii(threshold, **own):
    options = {"entities": [], "patterns": [{"label": "BADGE", "regex": "B-[0-9]+"} | own]}
    return {"name": "badges", "kind": "pii", "action": "redact", "options": options} | threshold


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        (pii({}, score=0.4), 0.5),
        (pii({"threshold": None}, score=0.4), 0.5),
        (pii({"threshold": 0.7}), 0.7),
        (pii({"thresholds": {"BADGE": 0.9}}, score=0.8), 0.9),
    ],
)
def test_a_value_of_ones_own_that_never_reaches_its_threshold_is_doubted(rule, threshold):
    (doubt,) = find(rule)
    assert doubt.startswith("`$.policies.default.prompt[0].options.patterns[0].score`: ")
    assert f"threshold of {threshold}," in doubt
    del rule["options"]["patterns"]
    rule["options"]["deny_lists"] = [
        {"label": "BADGE", "words": ["B-1"], "score": 0.1},
        {"label": "OTHER", "words": ["x"]},
    ]
    (doubt,) = find(rule)
    assert "deny_lists[0].score" in doubt


@pytest.mark.parametrize("rule", [pii({}), pii({}, score=0.4, context=["badge"]), pii({"threshold": 0}, score=0)])
def test_a_value_of_ones_own_that_may_reach_it_is_not(rule):
    assert find(rule) == []


def test_the_policy_that_ships_leaves_no_doubt():
    assert doubts.find(DEFAULT_CONFIG.read_bytes()) == []
