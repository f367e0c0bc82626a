"""What the documentation says is true: every key, kind, error code and example."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from scanner_service import config, errors, inheritance, registry
from scanner_service.assembly import DEFAULT_MODELS, assemble
from scanner_service.audit import event
from scanner_service.inference import manifest
from scanner_service.metrics import Metrics
from scanner_service.sanitizer import Operator

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SOURCES = [ROOT / name for name in ("docs", "scanner_service", "scanner_client", "deploy", "helm")]


def documented_rows(path, heading):
    """The names in the first column of the table under *heading*, with their defaults."""
    section = (DOCS / path).read_text(encoding="utf-8").split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([a-z_A-Z]+)` \| ([^|]*?) \|", section, re.MULTILINE)
    return {name: default.strip("`") for name, default in rows}


def as_documented(value):
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize(
    ("type_", "heading"),
    [
        (config.Config, "The file"),
        (config.PolicyConfig, "A policy"),
        (inheritance.DerivedPolicy, "A policy with a base"),
        (config.ShadowConfig, "Shadows"),
        (config.EvidenceConfig, "Evidence"),
        (config.RuleConfig, "A rule"),
        (config.KeyConfig, "A key"),
        (config.Limits, "Limits"),
    ],
)
def test_every_key_of_the_configuration_is_documented_with_its_default(type_, heading):
    rows = documented_rows("configuration.md", heading)
    fields = msgspec.structs.fields(type_)
    assert set(rows) == {field.name for field in fields}
    for field in fields:
        default = field.default
        if default is not msgspec.NODEFAULT and not isinstance(default, msgspec.Struct):
            assert rows[field.name] == as_documented(msgspec.to_builtins(default)), field.name


@pytest.mark.parametrize(
    ("type_", "heading"), [(config.Config, "The file"), (config.KeyConfig, "A key"), (config.Limits, "Limits")]
)
def test_every_number_has_an_upper_bound_and_it_is_documented(type_, heading):
    section = (DOCS / "configuration.md").read_text("utf-8").split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    numbers = 0
    for field in msgspec.inspect.type_info(type_).fields:
        for one in getattr(field.type, "types", [field.type]):
            if isinstance(one, (msgspec.inspect.IntType, msgspec.inspect.FloatType)):
                numbers += 1
                row = next(line for line in section.splitlines() if line.startswith(f"| `{field.name}` |"))
                assert re.search(rf"\bat most {one.le:.0f}\b", row), field.name
    assert numbers > 0


def test_where_the_audit_log_can_go_is_documented():
    rows = documented_rows("configuration.md", "The audit log")
    assert rows == {"to": "–", "path": "–", "required": "false"}
    assert {field.name for field in msgspec.structs.fields(config.FileAudit)} == set(rows) - {"to"}
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    for type_ in get_args(config.AuditConfig):
        assert f"`{msgspec.inspect.type_info(type_).tag}`" in text.split("| `to` |")[1].splitlines()[0]


def test_every_field_of_an_event_is_documented():
    section = (DOCS / "audit.md").read_text(encoding="utf-8").split("\n## An event\n")[1].split("\n## ")[0]
    for type_ in (event.Event, event.Scanned, event.Sealed):
        for field in msgspec.structs.fields(type_):
            assert f"`{field.name}`" in section, field.name


def test_every_metric_of_a_failure_to_record_is_documented():
    rows = re.findall(r"^\| `(\w+)` \|", (DOCS / "audit.md").read_text("utf-8").split("| `reason` |")[1], re.MULTILINE)
    lines = Metrics().expose().decode().splitlines()
    reasons = {line.split('"')[1] for line in lines if line.startswith("scanner_audit_failures_total{")}
    assert reasons == set(rows[:3])


def test_every_operator_is_documented():
    assert set(documented_rows("configuration.md", "Operators")) == {operator.value for operator in Operator}


def test_every_kind_has_a_section_that_names_all_its_options():
    text = (DOCS / "scanners.md").read_text(encoding="utf-8")
    for kind in registry.kinds():
        section = text.split(f"\n## {kind}\n", 1)[1].split("\n## ", 1)[0]
        for field in msgspec.structs.fields(registry.find(kind).Config):
            assert f"`{field.name}`" in section, f"{kind}: {field.name}"


def test_every_label_that_a_classifier_can_look_for_is_documented():
    section = (DOCS / "scanners.md").read_text("utf-8").split("\n## classifier\n", 1)[1].split("\n## ", 1)[0]
    heads = [head for entry in manifest.load(DEFAULT_MODELS).models.values() for head in entry.heads]
    for label in ["UNINTELLIGIBLE", *(label for head in heads if head.kind == "sequence" for label in head.labels)]:
        assert f"`{label}`" in section, label


def test_every_error_code_is_documented():
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    for code in {error.code for error in classes} - {"config_error", "request_error", "model_error", "view_error"}:
        assert f"`{code}`" in text, code


def test_every_environment_variable_in_the_code_is_documented():
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    for path in Path(config.__file__).parent.rglob("*.py"):
        for name in re.findall(r"\b(?:SCANNER|OTEL)_[A-Z_]+\b", path.read_text(encoding="utf-8")):
            assert f"`{name}`" in text, f"{path.name}: {name}"


def test_the_first_example_of_a_configuration_finds_names(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text((DOCS / "configuration.md").read_text("utf-8").split("```yaml\n", 1)[1].split("```", 1)[0], "utf-8")
    built = assemble({"SCANNER_CONFIG": str(path)})
    (pii,) = (rule.scanner for rule in built.policies["default"].prompt if rule.kind == "pii")
    assert pii.needs


def test_the_example_of_a_kind_runs():
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "extending.md").read_text(encoding="utf-8"), re.DOTALL)
    namespace: dict = {"__name__": "extending"}
    for block in blocks:
        exec(compile(block, "docs/extending.md", "exec", dont_inherit=True), namespace)


def test_links_between_documents_lead_somewhere():
    for path in [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_what_is_installed_of_ours_comes_from_the_repository():
    """On the public index our names are free for anybody, and one is another company's."""
    files = [path for folder in SOURCES for path in folder.rglob("*") if path.suffix in {".md", ".py", ".sh", ".yaml"}]
    commands = [
        (path.name, command)
        for path in [*files, ROOT / "README.md", ROOT / "Makefile", ROOT / "Dockerfile"]
        for command in re.findall(r"\b(?:pip|pipx|llm|uv) (?:install|add)\b[^`\n]*", path.read_text(encoding="utf-8"))
    ]
    assert len(commands) > 10
    for name, command in commands:
        assert not re.search(r"(?<![\w./-])scanner[-_](service|client)\b", command), f"{name}: {command}"
