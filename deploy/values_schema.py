"""
Write into the chart's values.schema.json what a configuration file may hold, so that `helm lint`, `helm template` and
`helm install` refuse the mistakes that the service would refuse at start. The rest of that file is written by hand.

    python deploy/values_schema.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from scanner_service import registry
from scanner_service.config import Config
from scanner_service.inheritance import DerivedPolicy

SCHEMA = Path(__file__).parent.parent / "helm" / "scanner-service" / "values.schema.json"


def with_config(schema: dict[str, Any]) -> dict[str, Any]:
    """*schema* with `config` either empty or of the shape that the service accepts."""
    (reference, derived), definitions = msgspec.json.schema_components(
        [Config, DerivedPolicy], ref_template="#/definitions/{name}"
    )
    definitions["Config"]["properties"]["policies"]["additionalProperties"] = {
        "anyOf": [{"$ref": "#/definitions/PolicyConfig"}, derived]
    }
    definitions |= _add_options(definitions["RuleConfig"])
    _close(definitions)
    described = {"description": "The configuration file; empty for the policy in the image."}
    config = described | {"anyOf": [{"type": "object", "maxProperties": 0}, reference]}
    properties = schema["properties"] | {"config": config}
    return schema | {"properties": properties, "definitions": _bare(json.loads(msgspec.json.encode(definitions)))}


def _add_options(rule: dict[str, Any]) -> dict[str, Any]:
    """Let the options of a *rule* be those of its kind, if that is one of ours; returns what they refer to."""
    definitions = {}
    rule["allOf"] = []
    for kind in registry.kinds():
        (options,), own = msgspec.json.schema_components(
            [registry.find(kind).Config], ref_template=f"#/definitions/{kind}.{{name}}"
        )
        definitions |= {f"{kind}.{name}": schema for name, schema in own.items()}
        is_kind = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
        rule["allOf"].append({"if": is_kind, "then": {"properties": {"options": options}}})
    return definitions


def _close(definitions: dict[str, Any]) -> None:
    """Let a derived policy hold what a policy may and nothing else; of its rules only the names are required."""
    definitions["PartialRule"] = definitions["RuleConfig"] | {"required": ["name"]}
    rules = {"type": "array", "items": {"$ref": "#/definitions/PartialRule"}}
    policy, derived = definitions["PolicyConfig"], definitions["DerivedPolicy"]
    properties = policy["properties"] | derived["properties"] | {"prompt": rules, "output": rules}
    definitions["DerivedPolicy"] = derived | {"properties": properties, "additionalProperties": False}


def _bare(schema: Any) -> Any:
    """*schema* without prose and defaults, which the service's own documentation gives; names of keys stay."""
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    prose = {"title", "description", "default"} if "type" in schema or "enum" in schema or "$ref" in schema else set()
    return {key: _bare(value) for key, value in schema.items() if key not in prose}


def text(schema: dict[str, Any]) -> str:
    """*schema* as it stands in the file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(text(with_config(json.loads(SCHEMA.read_text("utf-8")))), "utf-8")
