"""Kind `structure`: an output that must be JSON, of a type, or to a schema."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Literal

import msgspec

from scanner_service.errors import ConfigError
from scanner_service.findings import Finding
from scanner_service.scanner import Context, ModelInfo, Need
from scanner_service.scanners import _json_places
from scanner_service.text import Span, Text

# So many violations are reported; that there is one decides.
MAX_VIOLATIONS = 10

FENCE = "```"
# Python refuses to read longer ones, since it takes the square of their length.
MAX_DIGITS = 4300

Type = Literal["object", "array", "string", "number", "boolean", "null"]
TYPES: Mapping[type, Type] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Options of the kind.

    Attributes:
        types: what the whole may be; anything if empty.
        json_schema: a JSON Schema that it must satisfy.
        fenced: whether the JSON may stand between the lines of a Markdown code fence.
        unique_keys: whether a key that occurs twice in an object is a finding.
        max_depth: how deep brackets may be nested.
    """

    types: list[Type] = []
    json_schema: dict[str, Any] | None = None
    fenced: bool = False
    unique_keys: bool = True
    max_depth: Annotated[int, msgspec.Meta(ge=1, le=100)] = 64


class _NotJson(Exception):
    """`json` would read it, the standard does not know it."""


@dataclass(frozen=True, slots=True)
class Structure:
    """Reports what keeps a text from being the JSON that is wanted. Nothing quotes the text."""

    types: frozenset[Type]
    validator: Any
    fenced: bool
    unique_keys: bool
    max_depth: int
    needs: Sequence[Need] = ()
    labels: Collection[str] = ("DUPLICATE_KEY", "NOT_JSON", "SCHEMA_VIOLATION", "TOO_DEEP", "WRONG_TYPE")
    whole_text: bool = True

    def scan(self, text: Text, context: Context) -> Iterator[Finding]:
        """Findings point at the place of the error; at the whole if there is none."""
        place = _unfenced(text.value) if self.fenced else Span(0, len(text))
        for label, span in self._faults(place.of(text.value)):
            yield Finding(label, 1.0, Span(place.start + span.start, place.start + span.end))

    def _faults(self, text: str) -> Iterator[tuple[str, Span]]:
        whole = Span(0, len(text))
        if (deep := _json_places.too_deep(text, self.max_depth)) is not None:
            yield "TOO_DEEP", Span(deep, deep + 1)
            return
        repeated: list[str] = []
        try:
            value = _read(text, repeated)
        except json.JSONDecodeError as error:
            at = min(error.pos, max(0, len(text) - 1))
            yield "NOT_JSON", Span(at, min(at + 1, len(text)))
            return
        except _NotJson:
            yield "NOT_JSON", whole
            return
        if repeated and self.unique_keys:
            yield "DUPLICATE_KEY", whole
        if self.types and TYPES[type(value)] not in self.types:
            yield "WRONG_TYPE", whole
        if self.validator is not None:
            for fault in islice(self.validator.iter_errors(value), MAX_VIOLATIONS):
                yield "SCHEMA_VIOLATION", whole if repeated else _json_places.find(text, list(fault.absolute_path))


def build(config: Config, models: Mapping[str, ModelInfo]) -> Structure:
    """
    Make the scanner.

    Raises:
        ConfigError: if the schema is none, asks for what cannot be checked safely, or excludes all of the types.
    """
    validator = None
    if config.json_schema is not None:
        from scanner_service.scanners._json_schema import compile_schema

        try:
            validator = compile_schema(config.json_schema)
        except ConfigError as error:
            raise ConfigError(f"`$.options.json_schema`: {error}") from None
        _check_types(config.types, config.json_schema.get("type", list(TYPES.values())))
    return Structure(frozenset(config.types), validator, config.fenced, config.unique_keys, config.max_depth)


def _check_types(types: Sequence[Type], of_schema: str | Sequence[str]) -> None:
    wanted = {of_schema} if isinstance(of_schema, str) else set(of_schema)
    if types and not wanted & {*types, *(("integer",) if "number" in types else ())}:
        raise ConfigError("`$.options.types`: no value has one of them and the `type` of `json_schema` too")


def _read(text: str, repeated: list[str]) -> Any:
    def unite(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        united = dict(pairs)
        if len(united) < len(pairs):
            repeated.append("")
        return united

    return json.loads(text, object_pairs_hook=unite, parse_constant=_refuse, parse_int=_integer)


def _refuse(constant: str) -> Any:
    raise _NotJson  # NaN, Infinity


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)


def _unfenced(text: str) -> Span:
    """What stands between the lines of a fence, or all of *text* if there is no fence."""
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    first = text.find("\n", start, end)
    is_fence = first != -1 and text[start:first].rstrip() in (FENCE, f"{FENCE}json", f"{FENCE}JSON")
    if is_fence and text.endswith(FENCE, first + 1, end):
        return Span(first + 1, end - len(FENCE))
    return Span(0, len(text))
