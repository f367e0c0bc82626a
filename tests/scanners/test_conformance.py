"""What every kind owes its callers, whatever it looks for."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner_service import registry
from scanner_service.errors import ConfigError
from scanner_service.scanner import Context, ModelInfo, Need, Prediction
from scanner_service.testing import check_scanner, run_scanner
from scanner_service.text import Span, Text
from scanner_service.views import VIEWS
from tests.timing import least_seconds

LABELS = frozenset({"INJECTION", "PERSON", "LOCATION", "ORGANIZATION"})

OPTIONS = {
    "classifier": {"labels": ["INJECTION"]},
    "patterns": {"entries": [{"substrings": ["secret", "é"], "patterns": [r"\d+"]}]},
    "length": {"max_characters": 20, "max_tokens": 5},
    "structure": {"json_schema": {"type": "object", "required": ["a"]}, "fenced": True},
}
VALUES = [
    "",
    " ",
    "plain words",
    "A secret: AKIA" + "Q" * 8 + "R7X2WVUT" + " of anna@example.com",
    '```json\n{"a": [1, {"b": null}], "c": "secret"}\n```',
    "\U0001f468\u200d\U0001f469 \u202eabc\u200b s\u200becret é\u0301 \x00 \ud83d",
    "c2VjcmV0IHBhc3N3b3Jk password = 'hunter22'",
    "[" * 200,
    "<script>%41%42</script> &amp; s e c r e t",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tokenizer.json"
    model = {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1}, "unk_token": "[UNK]"}
    path.write_text(json.dumps({"version": "1.0", "model": model, "pre_tokenizer": {"type": "Whitespace"}}))
    return {"guard": ModelInfo(LABELS, path.read_bytes, "0" * 64)}


@pytest.fixture(scope="module")
def build(models):
    built = {}

    def make(kind):
        if kind not in built:
            module = registry.find(kind)
            built[kind] = module.build(msgspec.convert(OPTIONS.get(kind, {}), module.Config), models)
        return built[kind]

    return make


def predict(text):
    """A model that takes every third character for something."""
    return [
        Prediction(label, 0.75, Span(start, start + 1)) for start in range(0, len(text), 3) for label in sorted(LABELS)
    ]


kinds = pytest.mark.parametrize("kind", registry.kinds())
texts = st.text(st.characters() | st.sampled_from("\ud83d\u200b\u202e{}[]\"'=:.@-0123 abcAKIAghp_"), max_size=60)


@kinds
def test_findings_are_in_range_inside_the_text_and_the_same_twice(kind, build):
    check_scanner(build(kind), VALUES, {"guard": predict})


@kinds
def test_a_scan_changes_nothing_it_is_given(kind, build):
    scanner = build(kind)
    before = repr(scanner)
    for value in VALUES:
        text = Text(value)
        predictions = {
            need: [(view, tuple(predict(view.text))) for view in text.views(VIEWS[need.view])] for need in scanner.needs
        }
        context = Context(dict(predictions))
        list(scanner.scan(text, context))
        assert text.value == value
        assert context.predictions == predictions
    assert repr(scanner) == before


@kinds
def test_needs_name_views_and_models_that_exist(kind, build, models):
    for need in build(kind).needs:
        assert isinstance(need, Need)
        assert need.model in models
        assert need.view in VIEWS


@kinds
def test_an_unknown_option_is_refused(kind):
    with pytest.raises(msgspec.ValidationError, match="no_such_option"):
        msgspec.convert({**OPTIONS.get(kind, {}), "no_such_option": 1}, registry.find(kind).Config)


@kinds
def test_a_kind_that_names_a_model_refuses_one_that_does_not_exist(kind):
    module = registry.find(kind)
    if "model" in {field.name for field in msgspec.structs.fields(module.Config)}:
        with pytest.raises(ConfigError, match="nowhere"):
            module.build(msgspec.convert({**OPTIONS.get(kind, {}), "model": "nowhere"}, module.Config), {})


@kinds
def test_any_text_can_be_scanned(kind, build):
    scanner = build(kind)

    @given(texts)
    @settings(max_examples=40)
    def check(value):
        check_scanner(scanner, [value], {"guard": predict})

    check()


@kinds
@pytest.mark.parametrize("unit", ["a", "1", " ", ":", ".", "a ", "[", '{"a":', "\u200b", "a@b.c ", "http://a:b@", "é"])
def test_time_grows_in_proportion_to_the_text(kind, unit, build):
    scanner = build(kind)

    def seconds(length):
        text = Text(unit * (length // len(unit)))
        predictions = {need: [(view, ()) for view in text.views(VIEWS[need.view])] for need in scanner.needs}
        for name in VIEWS:
            text.views(VIEWS[name])
        return least_seconds(lambda: list(scanner.scan(text, Context(predictions))), enough=0.05)

    seconds(1000)
    assert seconds(40_000) < max(16 * seconds(4000), 1.0)


def test_every_kind_is_tested_in_a_module_of_its_own():
    here = Path(__file__).parent
    assert {f"test_{kind}.py" for kind in registry.kinds()} <= {path.name for path in here.glob("test_*.py")}


def test_a_finding_of_a_view_covers_what_was_disguised():
    module = registry.find("patterns")
    scanner = module.build(msgspec.convert(OPTIONS["patterns"], module.Config), {})
    text = "a s\u200bec\u200bret"
    assert [finding.span.of(text) for finding in run_scanner(scanner, text)] == ["s\u200bec\u200bret"]
