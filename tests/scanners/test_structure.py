import json
import socket

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.errors import ConfigError
from scanner_service.scanners import _json_places, structure
from scanner_service.testing import run_scanner
from tests.timing import least_seconds

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def found(text, **options):
    findings = run_scanner(structure.build(structure.Config(**options), {}), text)
    assert {finding.score for finding in findings} <= {1.0}
    return [(finding.label, finding.span.of(text)) for finding in sorted(findings, key=lambda each: each.span)]


@given(values, st.sampled_from([None, 2]))
def test_json_passes(value, indent):
    assert found(json.dumps(value, indent=indent), max_depth=100) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("hello", "h"),
        ('{"a": 1,}', "}"),
        ('{"a": 1} and more', "a"),
        ("[1, 2", "2"),
        ("{'a': 1}", "'"),
        ('{"a": "line\nbreak"}', "\n"),
        ("NaN", "NaN"),
        ('{"a": [-Infinity]}', '{"a": [-Infinity]}'),
        ("", ""),
        ("   ", " "),
        ('```json\n{"a": 1}\n```', "`"),
        ("01", "1"),
    ],
)
def test_what_is_not_json_is_a_finding_at_the_place_of_the_error(text, place):
    assert found(text) == [("NOT_JSON", place)]


def test_a_fence_is_part_of_the_json_only_when_allowed():
    assert found('```json\n{"a": 1}\n```\n', fenced=True) == []
    assert found('{"a": 1}', fenced=True) == []
    assert found("```json\n[1,]\n```", fenced=True) == [("NOT_JSON", "]")]
    assert found('Here it is:\n```json\n{"a": 1}\n```', fenced=True) == [("NOT_JSON", "H")]
    assert found('```python\n{"a": 1}\n```', fenced=True) == [("NOT_JSON", "`")]


def test_the_whole_must_be_of_a_wanted_type():
    assert found("[1]", types=["object", "array"]) == []
    assert found("true", types=["number"]) == [("WRONG_TYPE", "true")]
    assert found("1.5", types=["object"]) == [("WRONG_TYPE", "1.5")]


def test_a_repeated_key_is_a_finding_unless_allowed():
    text = '{"a": {"b": 1, "b": 2}}'
    assert found(text) == [("DUPLICATE_KEY", text)]
    assert found(text, unique_keys=False) == []


def test_deep_nesting_is_a_finding_and_does_not_crash():
    assert found("[" * 64 + "]" * 64) == []
    assert found("[" * 65 + "]" * 65) == [("TOO_DEEP", "[")]
    assert found('{"a":' * 500_000) == [("TOO_DEEP", "{")]
    assert found('"' + "[" * 1000 + '"') == []


def test_a_number_of_any_length_is_read():
    assert found("9" * 100_000, types=["number"]) == []


def test_a_violation_points_at_the_value_that_violates():
    schema = {
        "type": "object",
        "properties": {"tags": {"type": "array", "items": {"type": "string"}}, "n": {"maximum": 5}},
        "required": ["tags"],
    }
    text = ' {"x": {"n": 9}, "n" : 7.5, "tags":["a", {"b": [1]}, "c"]}'
    assert found(text, json_schema=schema) == [("SCHEMA_VIOLATION", "7.5"), ("SCHEMA_VIOLATION", '{"b": [1]}')]
    assert found(' {"n": 1} ', json_schema=schema) == [("SCHEMA_VIOLATION", '{"n": 1}')]


def test_violations_are_reported_up_to_a_number():
    assert len(found(json.dumps([0] * 5000), json_schema={"items": {"type": "string"}})) == structure.MAX_VIOLATIONS


@given(values)
def test_every_value_is_found_at_its_path(value):
    text = json.dumps(value, indent=1)

    def check(part, path):
        assert json.loads(_json_places.find(text, path).of(text)) == part
        members = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for step, inner in members:
            check(inner, [*path, step])

    check(value, [])


@given(st.lists(st.sampled_from([1, 1.0, True, "1", None, [1], [1.0], {"a": 1}, {"a": 1.0}, {"a": True}]), max_size=5))
def test_unique_items_are_judged_as_the_library_judges_them(items):
    schema = {"uniqueItems": True}
    valid = jsonschema.Draft202012Validator(schema).is_valid(items)
    assert (found(json.dumps(items), json_schema=schema) == []) == valid


def test_a_pattern_is_a_pattern_of_the_linear_time_engine():
    schema = {"type": "string", "pattern": "^(a+)+$"}
    text = json.dumps("a" * 50_000 + "!")
    assert found(text, json_schema=schema)[0][0] == "SCHEMA_VIOLATION"
    assert least_seconds(lambda: found(text, json_schema=schema), enough=1) <= 1
    assert found('""', json_schema={"pattern": "^$"}) == []


def test_unique_items_take_time_in_proportion_to_the_list():
    text = json.dumps([{"a": index} for index in range(30_000)])
    assert found(text, json_schema={"uniqueItems": True}) == []
    assert least_seconds(lambda: found(text, json_schema={"uniqueItems": True}), enough=3) <= 3


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "text"}, "not a JSON Schema"),
        ({"properties": {"a": {"pattern": "(?=a)"}}}, r"`\$\.properties\.a\.pattern`.*linear-time"),
        ({"patternProperties": {"^a": {}}}, "linear time"),
        ({"$ref": "https://example.com/schema"}, "another document"),
        ({"items": [{"$ref": "other.json"}]}, "not a JSON Schema|another document"),
        ({"$ref": "#/$defs/missing"}, "leads nowhere"),
        ({"$ref": "#"}, "in circles"),
    ],
)
def test_a_schema_that_cannot_be_checked_safely_is_a_configuration_error(schema, message, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
    with pytest.raises(ConfigError, match=message):
        structure.build(structure.Config(json_schema=schema), {})


@pytest.mark.parametrize(
    ("types", "type_"), [(["array"], "object"), (["string", "null"], ["object", "array"]), (["boolean"], "integer")]
)
def test_types_that_the_schema_excludes_are_a_configuration_error(types, type_):
    with pytest.raises(ConfigError, match=r"\$\.options\.types"):
        structure.build(structure.Config(types=types, json_schema={"type": type_}), {})


@pytest.mark.parametrize(("types", "schema"), [(["number"], {"type": "integer"}), (["array"], {"minItems": 1})])
def test_types_may_narrow_a_schema(types, schema):
    assert found("1" if types == ["number"] else "[1]", types=types, json_schema=schema) == []


def test_a_schema_may_refer_to_itself():
    schema = {"$defs": {"tree": {"items": {"$ref": "#/$defs/tree"}, "type": "array"}}, "$ref": "#/$defs/tree"}
    assert found("[[], [[]]]", json_schema=schema) == []
    assert found("[[], [[1]]]", json_schema=schema) == [("SCHEMA_VIOLATION", "1")]
