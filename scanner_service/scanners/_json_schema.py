"""JSON Schema without its dangers: no network, no backtracking, no quadratic comparison."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError, validators
from referencing import Registry
from referencing.exceptions import Unresolvable

from scanner_service import linear_regex
from scanner_service.errors import ConfigError

# Its names would be looked for with `re`, also by keywords that only ask which properties are left.
REFUSED = frozenset({"patternProperties"})
REFERENCES = frozenset({"$ref", "$dynamicRef"})


def compile_schema(schema: dict[str, Any]) -> Any:
    """
    A validator for *schema*, in the draft that its `$schema` names, or 2020-12.

    Raises:
        ConfigError: if it is no schema, refers to another document, refers to nothing, or uses `patternProperties` or
            a `pattern` that the linear-time engine does not know.
    """
    try:
        draft = validators.validator_for(schema, default=Draft202012Validator)
        draft.check_schema(schema)
        _check(schema, "$")
        validator = validators.extend(draft, KEYWORDS)(schema, registry=Registry())  # type: ignore[no-untyped-call]
        samples: tuple[Any, ...] = (None, True, 0, "", [], {})
        for value in samples:  # resolves references, and finds those that go in circles
            list(validator.iter_errors(value))
    except SchemaError as error:
        raise ConfigError(f"not a JSON Schema: {error.message}") from None
    except Unresolvable as error:
        raise ConfigError(f"a reference leads nowhere: {error}") from None
    except RecursionError:
        raise ConfigError("its references go in circles") from None
    return validator


def _check(part: Any, path: str) -> None:
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key in REFUSED:
                raise ConfigError(f"`{path}.{key}` cannot be checked in linear time")
            if key in REFERENCES and isinstance(value, str) and not value.startswith("#"):
                raise ConfigError(f"`{path}.{key}` refers to another document")
            if key == "pattern" and isinstance(value, str):
                _compile(value, f"{path}.{key}")
            _check(value, f"{path}.{key}")
    elif isinstance(part, Sequence) and not isinstance(part, str):
        for index, value in enumerate(part):
            _check(value, f"{path}[{index}]")


@cache
def _compile(pattern: str, path: str = "$") -> linear_regex.Pattern:
    try:
        return linear_regex.compile(pattern)
    except ConfigError as error:
        raise ConfigError(f"`{path}`: {error}") from None


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "string") and not _compile(pattern).is_in(value):
        yield ValidationError("does not match")


def _unique_items(validator: Any, wanted: bool, value: Any, schema: Any) -> Iterator[ValidationError]:
    """Compares what the items look like in writing; the library compares each with each if they cannot be sorted."""
    if wanted and validator.is_type(value, "array"):
        seen: set[str] = set()
        for item in value:
            written = json.dumps(_alike(item), sort_keys=True)
            if written in seen:
                yield ValidationError("occurs twice")
                return
            seen.add(written)


def _alike(value: Any) -> Any:
    """Equal numbers are written alike: to JSON Schema, 1 is 1.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_alike(item) for item in value]
    if isinstance(value, dict):
        return {key: _alike(item) for key, item in value.items()}
    return value


KEYWORDS = {"pattern": _pattern, "uniqueItems": _unique_items}
