"""What the chart's schema says about policies with a base and about options, without Helm."""

import json

import jsonschema
import pytest

from deploy import values_schema
from scanner_service import registry

WHOLE = {"prompt": [{"name": "keys", "kind": "secrets"}], "output": [{"name": "keys", "kind": "secrets"}]}


def validate(derived):
    schema = json.loads(values_schema.SCHEMA.read_text("utf-8"))
    jsonschema.validate({"config": {"policies": {"default": WHOLE, "strict": derived}}}, schema)


def test_a_policy_with_a_base_may_say_only_what_differs():
    validate({"base": "default"})
    validate({"base": "default", "prompt": [{"name": "keys", "threshold": 0.3}], "without": ["other"]})


@pytest.mark.parametrize(
    "derived",
    [
        {"base": "default", "surprise": 1},
        {"base": "default", "prompt": [{"threshold": 0.3}]},
        {"base": "default", "output": [{"name": "keys", "treshold": 0.3}]},
        {"prompt": [{"name": "keys", "threshold": 0.3}], "output": WHOLE["output"]},
    ],
)
def test_what_the_service_would_refuse_is_refused(derived):
    with pytest.raises(jsonschema.ValidationError):
        validate(derived)


@pytest.mark.parametrize("kind", registry.kinds())
def test_the_options_of_a_kind_are_those_that_it_has(kind):
    rule = {"name": "other", "kind": kind, "options": {"surprise": 1}}
    with pytest.raises(jsonschema.ValidationError):
        validate({**WHOLE, "prompt": [rule]})
    with pytest.raises(jsonschema.ValidationError):
        validate({"base": "default", "prompt": [rule]})


def test_the_options_of_a_kind_of_ones_own_are_its_own_affair():
    validate({**WHOLE, "prompt": [{"name": "words", "kind": "canary", "options": {"words": ["kestrel-42"]}}]})
