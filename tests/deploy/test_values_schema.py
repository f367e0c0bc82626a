"""What the chart's schema says about policies with a base, without Helm."""

import json

import jsonschema
import pytest

from deploy import values_schema

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
