"""The parameters of the scanners of LLM Guard that are carried over."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Whole = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]


Minutes = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]


class NoParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Of scanners of whose parameters none is carried over."""


class RegexPattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `regex_patterns`. A pattern has no examples and no languages here."""

    name: str
    expressions: list[str]
    context: list[str] = []
    score: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.6
    examples: Any = None
    languages: Any = None


class PersonalData(msgspec.Struct, frozen=True, kw_only=True):
    """Of `Anonymize`, and but for the names of `Sensitive`."""

    hidden_names: list[str] | None = None
    allowed_names: list[str] | None = None
    entity_types: list[str] | None = None
    regex_patterns: list[RegexPattern] | None = None


class Anonymize(PersonalData, frozen=True, kw_only=True):
    use_faker: bool = False


class Sensitive(PersonalData, frozen=True, kw_only=True):
    redact: bool = False


class BanSubstrings(msgspec.Struct, frozen=True, kw_only=True):
    substrings: list[str]
    match_type: Literal["str", "word"] = "str"
    case_sensitive: bool = False
    redact: bool = False
    contains_all: bool = False


class BanCompetitors(msgspec.Struct, frozen=True, kw_only=True):
    competitors: list[str]
    redact: bool = True


class Regex(msgspec.Struct, frozen=True, kw_only=True):
    patterns: list[str]
    is_blocked: bool = True
    match_type: Literal["all", "search", "fullmatch"] = "all"
    redact: bool = True


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    redact_mode: Literal["all", "partial", "hash"] = "all"


class TokenLimit(msgspec.Struct, frozen=True, kw_only=True):
    limit: Whole = 4096


class ReadingTime(msgspec.Struct, frozen=True, kw_only=True):
    max_time: Minutes
    truncate: bool = False


class Json(msgspec.Struct, frozen=True, kw_only=True):
    required_elements: Annotated[int, msgspec.Meta(ge=0)] = 0
