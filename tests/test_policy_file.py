import pytest
import yaml

from scanner_service.config import DEFAULT_CONFIG
from scanner_service.errors import ConfigError
from scanner_service.policy_file import with_thresholds

CHOSEN = {"INJECTION": 0.81, "OTHER": 0.5}

BLOCK = """\
# our policy
policies:
  default:
    prompt:
      - name: first
        kind: secrets
      - kind: classifier # the model
        name: second
        thresholds:
          INJECTION: 0.1
        # keep this comment
        action: block
      - { name: third, kind: classifier, thresholds: { INJECTION: 0.2 } }
      - { name: fourth, kind: classifier }
    output:
      - name: second
        kind: secrets
"""


def rule(content, direction, name):
    return next(one for one in yaml.safe_load(content)["policies"]["default"][direction] if one["name"] == name)


@pytest.mark.parametrize("name", ["first", "second", "third", "fourth"])
def test_only_the_thresholds_of_the_rule_change(name):
    changed = with_thresholds(BLOCK, "default", "prompt", name, CHOSEN)
    before, after = yaml.safe_load(BLOCK), yaml.safe_load(changed)
    assert rule(changed, "prompt", name)["thresholds"] == CHOSEN
    for content in (before, after):
        for one in content["policies"]["default"]["prompt"]:
            if one["name"] == name:
                one.pop("thresholds", None)
    assert before == after
    assert "# our policy" in changed
    assert "# the model" in changed
    assert "# keep this comment" in changed


def test_the_direction_tells_rules_of_one_name_apart():
    changed = with_thresholds(BLOCK, "default", "output", "second", CHOSEN)
    assert rule(changed, "prompt", "second")["thresholds"] == {"INJECTION": 0.1}
    assert rule(changed, "output", "second")["thresholds"] == CHOSEN


SHARED = """\
policies:
  default:
    prompt: &chain
      - { name: first, kind: secrets }
      - &second { name: second, kind: secrets }
  other:
    prompt: *chain
  third:
    prompt:
      - *second
      - { name: own, kind: secrets }
"""


@pytest.mark.parametrize(
    ("policy", "name"), [("default", "first"), ("other", "first"), ("default", "second"), ("third", "second")]
)
def test_a_rule_that_policies_share_is_not_changed(policy, name):
    with pytest.raises(ConfigError, match=rf"`\$\.policies\.{policy}\.prompt` shares `{name}` with others"):
        with_thresholds(SHARED, policy, "prompt", name, CHOSEN)


def test_a_rule_beside_a_shared_one_is_changed():
    changed = yaml.safe_load(with_thresholds(SHARED, "third", "prompt", "own", CHOSEN))
    assert changed["policies"]["third"]["prompt"][1]["thresholds"] == CHOSEN


def test_setting_thresholds_twice_is_setting_them_once():
    once = with_thresholds(BLOCK, "default", "prompt", "first", CHOSEN)
    assert with_thresholds(once, "default", "prompt", "first", CHOSEN) == once


def test_the_shipped_file_can_be_changed():
    changed = with_thresholds(DEFAULT_CONFIG.read_text("utf-8"), "default", "prompt", "prompt_injection", CHOSEN)
    assert rule(changed, "prompt", "prompt_injection")["thresholds"] == CHOSEN


@pytest.mark.parametrize(
    "where", [("other", "prompt", "first"), ("default", "prompt", "fifth"), ("default", "x", "first")]
)
def test_a_rule_that_does_not_exist_is_named(where):
    with pytest.raises(ConfigError, match=r"has no rule called"):
        with_thresholds(BLOCK, *where, CHOSEN)


def test_a_rule_of_a_policy_with_a_base_needs_no_kind():
    content = "policies: { strict: { base: default, prompt: [{ name: pii }] } }\n"
    changed = yaml.safe_load(with_thresholds(content, "strict", "prompt", "pii", CHOSEN))
    assert changed["policies"]["strict"] == {"base": "default", "prompt": [{"name": "pii", "thresholds": CHOSEN}]}
