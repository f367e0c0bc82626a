from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest

from scanner_service import registry
from scanner_service.chain import RuleError, build_policies
from scanner_service.config import Config
from scanner_service.errors import ConfigError
from scanner_service.scanner import ModelInfo, Need

MODELS = {"guard": ModelInfo(frozenset({"INJECTION", "TOXICITY"}), bytes, "d" * 64)}
RULE = {"name": "injection", "kind": "classifier", "options": {"labels": ["INJECTION"]}}


def build(models=MODELS, **changes):
    rule = RULE | changes
    return build_policies(
        msgspec.convert({"policies": {"default": {"prompt": [rule], "output": [rule]}}}, Config), models
    )


SAID = {
    "action": "redact",
    "threshold": 0.8,
    "thresholds": {"INJECTION": 0.9},
    "on_error": "allow",
    "optional": True,
    "stops": True,
    "operator": "mask",
    "operators": {"INJECTION": "hash"},
    "fold_variants": True,
}


def test_a_rule_carries_what_the_configuration_says():
    rule = build(**SAID)["default"].prompt[0]
    assert {name: getattr(rule, name) for name in SAID} == SAID
    assert (rule.name, rule.kind, rule.scanner.labels) == ("injection", "classifier", {"INJECTION"})


def test_what_the_configuration_does_not_say_is_strict():
    rule = build()["default"].output[0]
    assert {name: getattr(rule, name) for name in SAID} == {
        "action": "block",
        "threshold": 0.5,
        "thresholds": {},
        "on_error": "block",
        "optional": False,
        "stops": False,
        "operator": "replace",
        "operators": {},
        "fold_variants": False,
    }


@pytest.mark.parametrize("changes", [{"operator": "fake"}, {"operators": {"INJECTION": "fake"}}])
def test_what_needs_a_package_that_is_missing_is_said_of_its_rule(monkeypatch, changes):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"rule `injection`: .*'\.\[fake\]"):
        build(**changes)


def test_an_error_says_where_the_rule_stands():
    policies = {"default": {"prompt": [RULE], "output": [RULE, RULE | {"name": "other", "kind": "nothing"}]}}
    with pytest.raises(RuleError, match="policy `default`, output, rule `other`: ") as error:
        build_policies(msgspec.convert({"policies": policies}, Config), MODELS)
    assert error.value.steps == ("policies", "default", "output", 1)


def test_rules_that_ask_for_the_same_share_a_scanner_whatever_their_policy_does_with_it():
    rule = RULE | {"name": "same", "action": "monitor", "threshold": 0.2}
    other = RULE | {"name": "other", "options": {"labels": ["TOXICITY"]}}
    policies = {"one": {"prompt": [RULE], "output": [RULE]}, "two": {"prompt": [rule, other], "output": [other]}}
    built = build_policies(msgspec.convert({"policies": policies}, Config), MODELS)
    [first], [same, different] = built["one"].prompt, built["two"].prompt
    assert first.scanner is built["one"].output[0].scanner is same.scanner
    assert different.scanner is not first.scanner
    assert (same.threshold, different.scanner.labels) == (0.2, {"TOXICITY"})


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"kind": "clasifier"}, "clasifier"),
        ({"options": {"labels": ["NONSENSE"]}}, "$.options.labels"),
        ({"options": {"labels": ["INJECTION"], "model": "other"}}, "$.options.model"),
        ({"options": {"labels": ["INJECTION"], "views": ["sideways"]}}, "$.options.views"),
        ({"options": {"labels": ["INJECTION"], "view": "raw"}}, "view"),
        ({"options": {"labels": []}}, "$.options.labels"),
        ({"kind": "length", "options": {"max_tokens": 10**400}}, "$.options.max_tokens"),
    ],
)
def test_an_error_names_policy_rule_and_option(changes, path):
    with pytest.raises(ConfigError) as error:
        build(**changes)
    assert "policy `default`, prompt, rule `injection`" in str(error.value)
    assert path in str(error.value)


KINDS = {
    "classifier": ({"labels": ["INJECTION"]}, {"INJECTION"}),
    "pii": ({"patterns": [{"label": "STAFF", "regex": "E-[0-9]+"}]}, {"EMAIL_ADDRESS", "STAFF"}),
    "secrets": ({"ignore": ["JWT"]}, {"PASSWORD"}),
    "patterns": ({"entries": [{"label": "PROJECT", "substrings": ["Heron"]}]}, {"PROJECT"}),
    "length": ({"max_characters": 10}, {"TOO_MANY_CHARACTERS"}),
    "structure": ({}, {"NOT_JSON", "WRONG_TYPE"}),
    "invisible_text": ({}, {"INVISIBLE"}),
}


def test_every_kind_says_its_labels():
    assert set(KINDS) == set(registry.kinds())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("key", "value"), [("thresholds", 0.9), ("operators", "mask")])
def test_a_label_that_a_rule_does_not_look_for_is_refused(kind, key, value):
    options, labels = KINDS[kind]
    build(kind=kind, options=options, **{key: dict.fromkeys(labels, value)})
    with pytest.raises(ConfigError) as error:
        build(kind=kind, options=options, **{key: dict.fromkeys([*labels, "EMAIL_ADRESS"], value)})
    assert str(error.value).startswith(
        f"policy `default`, prompt, rule `injection`: `$.{key}`: no `EMAIL_ADRESS`; there are: "
    )
    listed = str(error.value).split("there are: ")[1].split(", ")
    assert labels <= set(listed)
    assert listed == sorted(listed)


@pytest.mark.parametrize(
    ("kind", "options", "label"),
    [
        ("classifier", {"labels": ["INJECTION"]}, "TOXICITY"),
        ("secrets", {"ignore": ["JWT"]}, "JWT"),
        ("patterns", {"entries": [{"label": "PROJECT", "substrings": ["Heron"]}], "mode": "allow"}, "PROJECT"),
    ],
)
def test_nor_may_a_threshold_be_for_a_label_that_the_options_leave_out(kind, options, label):
    with pytest.raises(ConfigError, match=rf"`\$\.thresholds`: no `{label}`"):
        build(kind=kind, options=options, thresholds={label: 0.9})


def test_an_entity_that_only_a_request_asks_for_may_have_a_threshold():
    assert build(kind="pii", options={}, thresholds={"DATE_TIME": 0.9, "US_DRIVER_LICENSE": 0.9})


def test_the_labels_of_a_kind_that_does_not_say_them_are_taken_as_they_are(monkeypatch):
    kind = SimpleNamespace(Config=dict, build=lambda config, models: SimpleNamespace(needs=()))
    monkeypatch.setattr(registry, "find", lambda name: kind)
    rule = build(kind="canary", thresholds={"ANY": 0.9}, operators={"OTHER": "mask"})["default"].prompt[0]
    assert (rule.thresholds, rule.operators) == ({"ANY": 0.9}, {"OTHER": "mask"})


@pytest.mark.parametrize("said", [{}, {"threshold": 0.5}])
def test_a_kind_of_ones_own_that_needs_an_unknown_model_is_refused(monkeypatch, said):
    kind = SimpleNamespace(Config=dict, build=lambda config, models: SimpleNamespace(needs=(Need("elsewhere"),)))
    monkeypatch.setattr(registry, "find", lambda name: kind)
    with pytest.raises(ConfigError, match="rule `injection`: there is no model called `elsewhere` in the manifest"):
        build(kind="canary", **said)


def test_without_a_threshold_the_calibrated_ones_of_the_model_hold():
    models = {"guard": ModelInfo(MODELS["guard"].labels, bytes, "d", {"INJECTION": 0.7, "TOXICITY": 0.8})}
    assert build(models)["default"].prompt[0].thresholds == {"INJECTION": 0.7, "TOXICITY": 0.8}
    assert build(models, thresholds={"INJECTION": 0.9})["default"].prompt[0].thresholds["INJECTION"] == 0.9
    strict = build(models, threshold=0.2)["default"].prompt[0]
    assert (strict.threshold, strict.thresholds) == (0.2, {})


def test_the_digest_changes_with_a_threshold_and_with_what_the_manifest_says_of_a_model():
    digest = build()["default"].digest
    assert build()["default"].digest == digest
    assert build(threshold=0.9)["default"].digest != digest
    other = {"guard": replace(MODELS["guard"], entry_digest="e" * 64)}
    assert build(other)["default"].digest != digest


def test_the_digest_changes_with_what_is_kept_as_evidence():
    key = "u9N0lNNLSvqZk7/saHeIUHSqZZ4brEOP1EfCR8E3pxw="
    chains = {"prompt": [RULE], "output": [RULE]}
    kept = {"blocked": {"public_key": key}, "all": {"public_key": key, "of": "all"}}
    policies = {"default": chains} | {name: chains | {"evidence": evidence} for name, evidence in kept.items()}
    built = build_policies(msgspec.convert({"policies": policies}, Config), MODELS)
    assert len({policy.digest for policy in built.values()}) == 3
    assert built["default"].digest == build()["default"].digest
    assert (built["default"].evidence, built["blocked"].evidence.of, built["all"].evidence.of) == (
        None,
        "blocked",
        "all",
    )


def test_a_shadow_is_a_policy_without_a_shadow_and_changes_no_digest():
    chains = {"prompt": [RULE], "output": [RULE]}
    policies = {
        "default": chains | {"shadow": {"policy": "next", "share": 0.1}},
        "next": chains | {"shadow": {"policy": "default", "share": 1}},
        "plain": chains,
    }
    built = build_policies(msgspec.convert({"policies": policies}, Config), MODELS)
    assert (built["default"].shadow.policy.name, built["default"].shadow.share) == ("next", 0.1)
    assert built["default"].shadow.policy.shadow is None
    assert built["plain"].shadow is None
    assert built["default"].digest == built["plain"].digest
