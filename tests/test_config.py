import re
from typing import Annotated

import msgspec
import pytest

from scanner_service import config, registry
from scanner_service.assembly import assemble
from scanner_service.errors import ConfigError

RULE = "{name: one, kind: secrets}"
SMALL = f"policies: {{default: {{prompt: [{RULE}], output: [{RULE}]}}}}\n"


AUDIT = "audit: {to: stdout}\n"
PUBLIC_KEY = "u9N0lNNLSvqZk7/saHeIUHSqZZ4brEOP1EfCR8E3pxw="


def kept(evidence):
    return SMALL.replace("}}", f", evidence: {evidence}}}}}")


def load(tmp_path, content):
    path = tmp_path / "policy.yaml"
    path.write_text(content)
    return config.load(path)


def test_the_shipped_configuration_loads():
    assert config.load(config.DEFAULT_CONFIG).default_policy == "default"


def test_defaults_are_the_safe_ones(tmp_path):
    loaded = load(tmp_path, SMALL)
    rule = loaded.policies["default"].prompt[0]
    assert (rule.action, rule.on_error, rule.optional) == ("block", "block", False)
    assert loaded.allow_anonymous is False


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (SMALL + "surprise: 1\n", "surprise"),
        (SMALL.replace("kind: secrets", "kind: secrets, treshold: 0.5", 1), "$.policies.default.prompt[0]"),
        (SMALL.replace("kind: secrets", "kind: secrets, threshold: 1.5", 1), "$.policies.default.prompt[0].threshold"),
        (SMALL.replace("kind: secrets", "kind: secrets, on_error: ignore", 1), "$.policies.default.prompt[0].on_error"),
        (SMALL.replace("kind: secrets", "kind: secrets, action: allow", 1), "$.policies.default.prompt[0].action"),
        (SMALL.replace("name: one", "name: One Two", 1), "$.policies.default.prompt[0].name"),
        ("policies: {}\n", "$.policies"),
        (SMALL + "default_policy: strict\n", "$.default_policy"),
        (SMALL + "allow_anonymous: true\nmetrics_require_key: true\n", "$.metrics_require_key"),
        (SMALL + "scan_timeout_seconds: 0\n", "$.scan_timeout_seconds"),
        (SMALL + "limits: {max_body_bytes: many}\n", "$.limits.max_body_bytes"),
        (SMALL + "keys: {team: {policies: [strict]}}\n", "$.keys.team.policies"),
        ("policies: {default: {prompt: [], output: []}}\n", "prompt"),
        (SMALL.replace("}}", ", shadow: {policy: next, share: 0.1}}}"), "$.policies.default.shadow.policy"),
        (SMALL.replace("}}", ", shadow: {policy: default, share: 0.1}}}"), "$.policies.default.shadow.policy"),
        (SMALL.replace("}}", ", shadow: {policy: next, share: 1.1}}}"), "$.policies.default.shadow.share"),
        (
            f"policies: {{default: {{prompt: [{RULE}, {RULE}], output: [{RULE}]}}}}\n",
            "$.policies.default.prompt[1].name",
        ),
        (SMALL + "audit: {to: file}\n", "$.audit"),
        (SMALL + "audit: {to: file, path: logs/audit}\n", "$.audit.path"),
        (SMALL + "audit: {to: stdout, path: /logs/audit}\n", "$.audit"),
        (SMALL + "audit: {to: syslog}\n", "$.audit.to"),
        (kept("{}") + AUDIT, "$.policies.default.evidence"),
        (kept("{public_key: nonsense}") + AUDIT, "$.policies.default.evidence.public_key"),
        (kept(f"{{public_key: {'A' * 43}=}}") + AUDIT, "$.policies.default.evidence.public_key"),
        (kept(f"{{public_key: {PUBLIC_KEY}, of: some}}") + AUDIT, "$.policies.default.evidence.of"),
        (kept(f"{{public_key: {PUBLIC_KEY}}}"), "$.policies.default.evidence` is kept in the audit log"),
        (SMALL + SMALL, "occurs twice"),
        ("policies: [\n", "not YAML"),
        ("!!python/object/apply:os.getcwd []\n", "not YAML"),
    ],
)
def test_an_error_names_the_file_and_the_path_in_it(tmp_path, content, path):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, content)
    assert "policy.yaml" in str(error.value)
    assert path in str(error.value)


def rule(written):
    return SMALL.replace("kind: secrets", f"kind: secrets, {written}", 1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            SMALL + "keys: {ok: {}, app: {requests_per_minut: 2}}\n",
            "unknown field `requests_per_minut` - at `$.keys.app`",
        ),
        (SMALL + "keys: {ok: {}, app: {policies: [Big]}}\n", " - at `$.keys.app.policies[0]`"),
        (rule("thresholds: {OK: 0.5, CREDIT_CARD: 2}"), " - at `$.policies.default.prompt[0].thresholds.CREDIT_CARD`"),
        (rule("operators: {OK: mask, A: 1}"), " - at `$.policies.default.prompt[0].operators.A`"),
        (
            f"policies: {{ok: {{prompt: [{RULE}], output: [{RULE}]}}, s: {{base: ok, output: [{{name: one, "
            "thresholds: {A: 0, B: 2}}]}}\n",
            " - at `$.policies.s.output[0].thresholds.B`",
        ),
    ],
)
def test_a_key_of_a_mapping_is_named(tmp_path, content, problem):
    with pytest.raises(ConfigError, match=re.escape(problem)):
        load(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (rule("action: deny"), "action`; there are: block, monitor, redact"),
        (rule("on_error: stop"), "on_error`; there are: allow, block"),
        (rule("operator: masc"), "operator`; there are: replace, fake, hash, mask, redact, keep"),
        (rule("operators: {A: mask, B: masc}"), "operators.B`; there are: replace, fake, hash, mask, redact, keep"),
        (SMALL + "log_level: loud\n", "`$.log_level`; there are: debug, error, info, warning"),
        (SMALL + "audit: {to: syslog}\n", "`$.audit.to`; there are: stdout, file, otlp"),
    ],
)
def test_a_word_that_is_none_of_a_few_is_answered_with_those(tmp_path, content, problem):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, content)
    assert str(error.value).endswith(problem)


@pytest.mark.parametrize(
    ("kind", "options", "problem"),
    [
        ("structure", {"types": ["object", "dict"]}, "`$.options.types[1]`; there are: array, boolean, null, number"),
        (
            "patterns",
            {"entries": [{"label": "A", "substrings": ["a"]}], "mode": "refuse"},
            "`$.options.mode`; there are: allow, deny",
        ),
    ],
)
def test_nor_is_one_in_the_options_of_a_kind(kind, options, problem):
    with pytest.raises(ConfigError, match=re.escape(problem)):
        config.options(config.RuleConfig(name="one", kind=kind, options=options), registry.find(kind).Config)


class Pairs(msgspec.Struct):
    pairs: Annotated[dict[str, dict[str, int]], msgspec.Meta(min_length=2)]


def test_where_no_key_may_stand_alone_the_mapping_is_named():
    rule = config.RuleConfig(name="one", kind="theirs", options={"pairs": {"a": {}, "b": {"c": "d"}}})
    with pytest.raises(ConfigError, match=r"got `str` - at `\$\.options\.pairs`$"):
        config.options(rule, Pairs)


RULES = """
policies:
  default:
    prompt: [{{ name: first, kind: secrets }}, {{ name: second, {second} }}]
    output: [{{ name: only, {only} }}]
  small:
    base: default
    without: [first]
    prompt: [{{ name: second, {derived} }}]
"""
PLAIN = {"second": "kind: secrets", "only": "kind: secrets", "derived": "action: block"}


@pytest.mark.parametrize(
    ("wrong", "where", "problem"),
    [
        ({"second": "kind: wrod"}, "policy `default`, prompt", " - at `$.policies.default.prompt[1]`"),
        ({"second": "kind: secrets, options: {label: [JWT]}"}, "policy `default`, prompt", "prompt[1].options`"),
        (
            {"second": "kind: secrets, options: {labels: [NONE]}"},
            "policy `default`, prompt",
            "prompt[1].options.labels",
        ),
        (
            {"second": "kind: secrets, thresholds: {NONE: 0.5}"},
            "policy `default`, prompt",
            "`$.policies.default.prompt[1].thresholds`: no `NONE`",
        ),
        (
            {"only": "kind: pii, options: {entities: [NONE]}"},
            "policy `default`, output",
            "`$.policies.default.output[0].options.entities[0]`: no `NONE`",
        ),
        ({"derived": "options: {a: 1}"}, "policy `small`, prompt", " - at `$.policies.small.prompt[0].options`"),
    ],
)
def test_what_the_kinds_refuse_is_told_with_file_and_path_too(tmp_path, wrong, where, problem):
    file = tmp_path / "policy.yaml"
    file.write_text(RULES.format(**PLAIN | wrong))
    with pytest.raises(ConfigError) as error:
        assemble({"SCANNER_CONFIG": str(file)})
    assert str(error.value).startswith(f"{file}: {where}, rule `")
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("scan_timeout_seconds: .inf", "$.scan_timeout_seconds"),
        ("scan_timeout_seconds: .nan", "$.scan_timeout_seconds"),
        ("body_timeout_seconds: 1.0e+300", "$.body_timeout_seconds"),
        (f"vault_lifetime_seconds: {10**20}", "$.vault_lifetime_seconds"),
        (f"keys: {{team: {{requests_per_minute: {10**7}}}}}", "$.keys.team.requests_per_minute"),
        *((f"limits: {{{field}: {10**20}}}", f"$.limits.{field}") for field in config.Limits.__struct_fields__),
    ],
)
def test_a_number_that_would_overflow_later_is_refused(tmp_path, written, path):
    with pytest.raises(ConfigError, match=re.escape(f" - at `{path}`")):
        load(tmp_path, f"{SMALL}{written}\n")


@pytest.mark.parametrize(
    ("written", "problem", "column"),
    [
        ("{{ .Values.secret }}", "is this a template that was not rendered?", 11),
        ("{? [secret] : 1}", "a mapping or a list is no key", 13),
        ("{secret: 1, secret: 2}", "key `secret` occurs twice", 22),
        ("2021-99-99", "cannot be read as `timestamp`", 10),
        ("!!timestamp secret", "cannot be read as `timestamp`", 10),
        ("!!int secret", "cannot be read as `int`", 10),
        ("010000", "in base 8 or 60", 10),
        ("10:00", "in base 8 or 60", 10),
        ("!!int ''", "cannot be read as `int`", 10),
        ("1" * 5000, "cannot be read as `int`", 10),
        ("!!float secret", "cannot be read as `float`", 10),
        ("!!bool secret", "cannot be read as `bool`", 10),
        ("!!map secret", "cannot be read as `map`", 10),
        ('"\\uD800"', "cannot be read as `str`", 10),
        ('"secret \\UFFFFFFFF"', "an escape that is no character", 20),
        ("[" * 3000 + "]" * 3000, "nested too deeply", None),
        ("&it [secret, *it]", "recursive", 10),
        ("[secret", "while parsing a flow sequence, expected ',' or ']'", None),
    ],
)
def test_what_yaml_cannot_read_is_an_error_with_its_place_and_without_what_stands_there(
    tmp_path, written, problem, column
):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, f"{SMALL}surplus: {written}\n")
    message = str(error.value)
    assert message.startswith(f"{tmp_path}/policy.yaml: not YAML: ")
    assert problem in message
    assert f"at line 2, column {column}" in message if column else "at line " in message
    assert "\n" not in message
    assert "secret" not in message.replace("`secret`", "")  # a key that occurs twice is named


def test_a_missing_file_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        config.load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("audit", "type_"),
    [
        ("{to: stdout}", config.StdoutAudit),
        ("{to: file, path: /a}", config.FileAudit),
        ("{to: otlp}", config.OtlpAudit),
    ],
)
def test_the_audit_log_goes_where_it_says(tmp_path, audit, type_):
    loaded = load(tmp_path, f"{SMALL}audit: {audit}\n").audit
    assert (type(loaded), loaded.required) == (type_, False)
    assert load(tmp_path, SMALL).audit is None


def test_evidence_is_of_what_is_blocked_unless_it_says_all(tmp_path):
    content = kept(f"{{public_key: {PUBLIC_KEY}}}") + AUDIT
    assert load(tmp_path, content).policies["default"].evidence.of == "blocked"


@pytest.mark.parametrize(
    ("name", "fits"), [("PromptInjection", True), ("Regex_2", True), ("2nd", False), ("a b", False)]
)
def test_a_rule_may_have_the_name_of_a_class(name, fits, tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(
        f"policies: {{p: {{prompt: [{{name: {name}, kind: k}}], output: [{{name: a, kind: k}}]}}}}\ndefault_policy: p"
    )
    if fits:
        assert config.load(path).policies["p"].prompt[0].name == name
    else:
        with pytest.raises(ConfigError, match=r"`\$.policies.p.prompt\[0\].name`"):
            config.load(path)
