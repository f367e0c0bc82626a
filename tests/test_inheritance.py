import re

import pytest
import yaml

from scanner_service import config
from scanner_service.errors import ConfigError

BASE = """
policies:
  strict: {derived}
  default:
    prompt:
      - {{ name: long, kind: length, stops: true, options: {{ max_tokens: 10 }} }}
      - {{ name: keys, kind: secrets, threshold: 0.7, optional: true }}
      - {{ name: hidden, kind: invisible_text }}
    output:
      - {{ name: long, kind: length }}
      - {{ name: keys, kind: secrets }}
"""


def load(tmp_path, derived, base=BASE):
    path = tmp_path / "policy.yaml"
    path.write_text(base.format(derived=derived))
    return config.load(path)


def strict(tmp_path, derived):
    return load(tmp_path, derived).policies["strict"]


def test_a_policy_that_says_nothing_is_its_base(tmp_path):
    loaded = load(tmp_path, "{base: default}")
    assert loaded.policies["strict"] == loaded.policies["default"]


def test_a_rule_of_the_base_keeps_its_place_and_what_is_not_said_again(tmp_path):
    policy = strict(tmp_path, "{base: default, prompt: [{name: keys, threshold: 0.3, optional: false}]}")
    assert [rule.name for rule in policy.prompt] == ["long", "keys", "hidden"]
    keys = policy.prompt[1]
    assert (keys.kind, keys.threshold, keys.optional) == ("secrets", 0.3, False)
    assert policy.output[1].threshold is None


def test_a_field_is_replaced_as_a_whole(tmp_path):
    policy = strict(tmp_path, "{base: default, prompt: [{name: long, options: {max_characters: 5}}]}")
    assert policy.prompt[0].options == {"max_characters": 5}
    assert policy.prompt[0].stops


def test_a_new_name_is_a_new_rule_at_the_end(tmp_path):
    policy = strict(tmp_path, "{base: default, output: [{name: hidden, kind: invisible_text, action: monitor}]}")
    assert [rule.name for rule in policy.output] == ["long", "keys", "hidden"]


def test_a_rule_left_out_is_left_out_of_both_chains(tmp_path):
    policy = strict(tmp_path, "{base: default, without: [long]}")
    assert [rule.name for rule in (*policy.prompt, *policy.output)] == ["keys", "hidden", "keys"]


def test_a_key_may_be_tied_to_a_policy_with_a_base(tmp_path):
    loaded = load(tmp_path, "{base: default}", BASE + "keys: {{team: {{policies: [strict]}}}}\n")
    assert loaded.keys["team"].policies == ["strict"]


def test_what_is_merged_is_what_would_have_been_written_in_full(tmp_path):
    short = load(tmp_path, "{base: default, prompt: [{name: keys, threshold: 0.3}], without: [hidden]}")
    content = yaml.safe_load(BASE.format(derived="{}"))
    default = content["policies"]["default"]
    content["policies"]["strict"] = default | {
        "prompt": [default["prompt"][0], default["prompt"][1] | {"threshold": 0.3}]
    }
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(content))
    assert config.load(tmp_path / "policy.yaml") == short


@pytest.mark.parametrize(
    ("derived", "path"),
    [
        ("{base: nowhere}", "$.policies.strict.base"),
        ("{base: strict}", "$.policies.strict.base"),
        ("{base: [default]}", "$.policies.strict.base"),
        ("{base: default, surprise: 1}", "$.policies.strict"),
        ("{base: default, without: [nothing]}", "$.policies.strict.without[0]"),
        ("{base: default, without: keys}", "$.policies.strict.without"),
        ("{base: default, without: [long, keys, hidden]}", "$.policies.strict.without"),
        ("{base: default, prompt: {name: keys}}", "$.policies.strict.prompt"),
        ("{base: default, prompt: [keys]}", "$.policies.strict.prompt[0]"),
        ("{base: default, prompt: [{threshold: 0.5}]}", "$.policies.strict.prompt[0].name"),
        ("{base: default, prompt: [{name: [keys]}]}", "$.policies.strict.prompt[0].name"),
        ("{base: default, prompt: [{name: keys}, {name: keys}]}", "$.policies.strict.prompt[1].name"),
        ("{base: default, prompt: [{name: hidden, threshold: 2}]}", "$.policies.strict.prompt[0].threshold"),
        ("{base: default, output: [{name: new}]}", "$.policies.strict.output[0]"),
        ("{base: default, output: [{name: keys, treshold: 1}]}", "$.policies.strict.output[0]"),
    ],
)
def test_an_error_names_the_policy_and_the_path_as_it_is_written(tmp_path, derived, path):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, derived)
    assert "policy.yaml" in str(error.value)
    assert f"`{path}`" in str(error.value)


@pytest.mark.parametrize(
    ("derived", "problem"),
    [
        ("prompt: [{name: kyes}]", "prompt[0]`: `kyes` is no prompt rule of `default`; a new rule needs a `kind`"),
        ("output: [{name: hidden}]", "output[0]`: `hidden` is no output rule of `default`; a new rule needs a `kind`"),
        ("without: [keys], prompt: [{name: keys}]", "prompt[0]`: `keys` is left out; a new rule needs a `kind`"),
        ("without: [long, keys]", "without` leaves no rule in `output`"),
    ],
)
def test_what_is_missing_in_an_overlay_is_told_in_words_of_the_overlay(tmp_path, derived, problem):
    with pytest.raises(ConfigError, match=rf": `\$\.policies\.strict\.{re.escape(problem)}$"):
        load(tmp_path, f"{{base: default, {derived}}}")


def test_a_base_with_a_base_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"`\$\.policies\.third\.base` names `strict`, which has a base itself"):
        load(tmp_path, "{base: default}", BASE + "  third: {{ base: strict }}\n")


@pytest.mark.parametrize(
    "broken", ["5", "[]", "{prompt: 5, output: []}", "{prompt: [{name: []}], output: [5]}", "null"]
)
def test_what_is_wrong_with_a_base_is_said_of_the_base(tmp_path, broken):
    (tmp_path / "policy.yaml").write_text(f"policies: {{strict: {{base: default}}, default: {broken}}}\n")
    with pytest.raises(ConfigError, match=r"\$\.policies\.default"):
        config.load(tmp_path / "policy.yaml")


@pytest.mark.parametrize("content", ["5", "[]", "{policies: []}", "{policies: {default: 5}}", "{}", ""])
def test_what_is_no_configuration_is_left_to_the_decoder(tmp_path, content):
    (tmp_path / "policy.yaml").write_text(content)
    with pytest.raises(ConfigError, match=r"policy\.yaml: "):
        config.load(tmp_path / "policy.yaml")


def test_a_base_may_have_the_policy_that_follows_it_as_its_shadow(tmp_path):
    base = BASE + "    shadow: {{ policy: strict, share: 0.1 }}\n"
    loaded = load(tmp_path, "{base: default, without: [long]}", base)
    assert loaded.policies["default"].shadow is not None
    assert loaded.policies["strict"].shadow is None


EVIDENCE = "evidence: {public_key: u9N0lNNLSvqZk7/saHeIUHSqZZ4brEOP1EfCR8E3pxw=}"


def test_a_policy_keeps_the_evidence_that_it_says_itself_and_none_of_its_base(tmp_path):
    audit = "\naudit: {{to: stdout}}\n"
    own = load(tmp_path, f"{{base: default, {EVIDENCE}}}", BASE + audit).policies
    assert (own["strict"].evidence is not None, own["default"].evidence) == (True, None)
    base = BASE + f"    {EVIDENCE.replace('{', '{{').replace('}', '}}')}\n" + audit
    kept = load(tmp_path, "{base: default}", base).policies
    assert (kept["strict"].evidence, kept["default"].evidence is not None) == (None, True)


def test_an_error_in_the_evidence_of_a_policy_with_a_base_names_its_path(tmp_path):
    for evidence, path in [("{}", "$.policies.strict.evidence"), ("{public_key: x}", "strict.evidence.public_key")]:
        with pytest.raises(ConfigError) as error:
            load(tmp_path, f"{{base: default, evidence: {evidence}}}", BASE + "\naudit: {{to: stdout}}\n")
        assert path in str(error.value)
