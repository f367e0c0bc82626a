"""presidio's predefined recognizers by entity, made bounded, offline and more exact where `data/pii.toml` says so."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, predefined_recognizers
from presidio_analyzer.predefined_recognizers import PhoneRecognizer
from presidio_analyzer.predefined_recognizers.country_specific.south_africa.za_phone_number_recognizer import (
    ZaPhoneNumberRecognizer,
)

from scanner_service.scanners._presidio.bounded import BoundedRegex
from scanner_service.scanners._presidio.email import Email
from scanner_service.scanners._presidio.iban import Iban
from scanner_service.scanners._presidio.phone import Phone, ZaPhone
from scanner_service.scanners._presidio.tokens import LANGUAGE

# What people write between groups of digits, left out before a checksum is taken.
_GAPS = [(gap, "") for gap in " ._-"]


class TunedPattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pattern in the syntax of the package `regex`, with the score of what it matches."""

    name: str
    regex: str
    score: float


class Tuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `data/pii.toml` says about an entity; the file explains each field."""

    source: str
    requires: str | None = None
    overlapped: bool = False
    check_proves: bool = True
    context: list[str] = []
    examples: list[str] = []
    near_misses: list[str] = []
    patterns: list[TunedPattern] = []


class _Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    entities: dict[str, Tuning]
    languages: dict[str, dict[str, list[str]]]


@cache
def _data() -> _Data:
    content = resources.files("scanner_service").joinpath("data/pii.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(content), _Data)


def tunings() -> Mapping[str, Tuning]:
    """What `data/pii.toml` says, by entity."""
    return _data().entities


def languages() -> list[str]:
    """The languages (ISO 639-1) that have context words, in order."""
    return sorted({LANGUAGE, *_data().languages})


def context_words(entity: str, languages: Sequence[str]) -> list[str]:
    """Our context words for an *entity*, with those of *languages*."""
    others = (word for language in languages for word in _data().languages.get(language, {}).get(entity, ()))
    tuning = tunings().get(entity)
    return [*(tuning.context if tuning else ()), *others]


@cache
def catalogue() -> Mapping[str, type[EntityRecognizer]]:
    """The recognizer for each entity that needs neither a model nor a network."""
    ours = {"EMAIL_ADDRESS": Email, "IBAN_CODE": Iban, "PHONE_NUMBER": Phone}
    found: dict[str, type[EntityRecognizer]] = {}
    for name in predefined_recognizers.__all__:
        recognizer = getattr(predefined_recognizers, name)
        if inspect.isclass(recognizer) and issubclass(recognizer, (PatternRecognizer, PhoneRecognizer)):
            entity = inspect.signature(recognizer).parameters["supported_entity"].default
            found[entity] = ours.get(entity, recognizer)
    return dict(sorted(found.items()))


def build(entity: str, regions: Sequence[str], languages: Sequence[str]) -> EntityRecognizer:
    """
    The recognizer for an *entity* of the catalogue.

    Args:
        entity: such as `US_SSN`.
        regions: countries (ISO 3166) whose national telephone numbers count.
        languages: whose context words count beside English and those of presidio's recognizer for one country.
    """
    recognizer_type = catalogue()[entity]
    tuning = tunings().get(entity, Tuning(source="presidio"))
    recognizer = recognizer_type(supported_language=LANGUAGE)
    if isinstance(recognizer, ZaPhoneNumberRecognizer):
        recognizer = ZaPhone(entity, recognizer.target_classification)
    elif isinstance(recognizer, Phone):
        recognizer.supported_regions = tuple(regions)
    recognizer.context = [*([] if tuning.context else recognizer.context), *context_words(entity, languages)]
    if isinstance(recognizer, PatternRecognizer):
        _tune(recognizer, tuning)
    return recognizer


def _tune(recognizer: PatternRecognizer, tuning: Tuning) -> None:
    # Patterns belong to presidio's classes, so each recognizer gets its own.
    recognizer.patterns = [
        _bounded(pattern, recognizer.global_regex_flags, tuning.overlapped)
        for pattern in tuning.patterns or recognizer.patterns
    ]
    if tuning.patterns and hasattr(recognizer, "replacement_pairs"):
        recognizer.replacement_pairs = _GAPS
    if not tuning.check_proves:
        recognizer.validate_result = _refuse_only(recognizer.validate_result)


def _bounded(pattern: Pattern | TunedPattern, flags: int, overlapped: bool) -> Pattern:
    bounded = Pattern(pattern.name, pattern.regex, pattern.score)
    bounded.compiled_regex = BoundedRegex(pattern.regex, flags, overlapped=overlapped)
    bounded.compiled_with_flags = flags
    return bounded


def _refuse_only(validate: Callable[[str], bool | None]) -> Callable[[str], bool | None]:
    """A check that, when passed, leaves the score as it is instead of raising it to 1."""

    def validate_result(value: str) -> Any:
        return None if validate(value) else False

    return validate_result
