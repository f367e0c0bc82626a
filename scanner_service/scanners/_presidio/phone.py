"""Telephone numbers: presidio's recognizers, asked only about stretches of text that can be one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import phonenumbers
from presidio_analyzer import RecognizerResult
from presidio_analyzer.predefined_recognizers import PhoneRecognizer
from presidio_analyzer.predefined_recognizers.country_specific.south_africa.za_phone_number_recognizer import (
    ZaPhoneNumberRecognizer,
)

from scanner_service.scanners._presidio.numbering import Plan, plan_of, regions_of
from scanner_service.scanners._presidio.results import make_result

# presidio gives 0.4 to every number. One in international form, or written in groups the way its country does,
# needs no context; bare digits keep the 0.4.
INTERNATIONAL = 0.75
GROUPED = 0.6

# Digits of a number with its country code, at most (ITU-T E.164), and of the shortest national one worth a look.
MAX_DIGITS = 15
MIN_DIGITS = 7

# Groups of digits, up to two separators apart. More than seven groups are a table.
_STRETCH = re.compile(
    r"(?<![\w.])(?<!\w-)(?<!\d:)(?:\+\d{1,3}[ .-]\d(?=[ .-])|(?:\+\(?|\(\+?)?\d{1,15}(?!\d)\)?)"
    r"(?:(?:[ ./()-]{1,2}|[ ]?\(0\)[ ]?)\d{2,12}(?!\d)\)?){0,6}(?!\w|:\d)",
    re.ASCII,
)
_GROUP = re.compile(r"\d+", re.ASCII)
# Dates, network addresses and decimal fractions, which some numbering plan would take.
_SOMETHING_ELSE = re.compile(
    r"(?:19|20)\d\d([-/.])\d\d?\1\d\d?(?!\d)|\d\d?([-/.])\d\d?\2(?:\d{4}|\d\d)\Z"
    r"|\d{1,3}(?:\.\d{1,3}){3}\Z|\d{1,3}\.\d{4,}\Z",
    re.ASCII,
)
# How North America writes its numbers, with or without the 1.
_NANP_GROUPS = ([3, 3, 4], [1, 3, 3, 4])


@dataclass(frozen=True, slots=True)
class Number:
    """A valid telephone number: characters of the text, a score, and the country (ISO 3166)."""

    start: int
    end: int
    score: float
    region: str


@dataclass(frozen=True)
class _Written:
    """What could be a number: where it starts in a text, and the spans of its groups of digits."""

    text: str
    start: int
    groups: Sequence[tuple[int, int]]

    @property
    def end(self) -> int:
        return self.groups[-1][1]

    @property
    def value(self) -> str:
        return self.text[self.start : self.end]

    @cached_property
    def digits(self) -> str:
        return "".join([self.text[start:end] for start, end in self.groups])

    @cached_property
    def lengths(self) -> list[int]:
        return [end - start for start, end in self.groups]

    @property
    def is_possible(self) -> bool:
        return MIN_DIGITS <= len(self.digits) <= MAX_DIGITS and not _SOMETHING_ELSE.match(self.value.lstrip("+("))


def find_numbers(text: str, regions: tuple[str, ...]) -> Iterator[Number]:
    """The numbers in *text*, apart from each other: international ones, and those of *regions* (ISO 3166)."""
    for match in _STRETCH.finditer(text):
        groups = [group.span() for group in _GROUP.finditer(text, *match.span())]
        stretch = _Written(text, match.start(), groups)
        if len(stretch.digits) >= MIN_DIGITS:
            numbers = list(_evident(stretch, regions))
            yield from numbers or _plain(stretch, regions)


def _evident(stretch: _Written, regions: tuple[str, ...]) -> Iterator[Number]:
    """Numbers whose form says what they are; the longest that starts with a group, from left to right."""
    first = 0
    for index, (group, group_end) in enumerate(stretch.groups):
        if index < first or (index and stretch.text[group - 1] not in " ("):
            continue
        start = stretch.start if not index else group - (stretch.text[group - 1] == "(")
        # A bracket belongs to the number if it closes behind the first group: `(415) 555-2671`, `(+44) 20 …`.
        if stretch.text[start] == "(" and stretch.text[group_end : group_end + 1] != ")":
            start += 1
        for count in _counts(stretch.text[start], stretch.lengths[index:]):
            written = _Written(stretch.text, start, stretch.groups[index : index + count])
            number = written.is_possible and (_international(written) or _grouped(written, regions))
            if number:
                yield number
                first = index + count
                break


def _counts(begins_with: str, lengths: Sequence[int]) -> Sequence[int]:
    """How many groups of these *lengths* a number may take, most first."""
    if begins_with in "+(0":
        return range(len(lengths), 0, -1)
    return [len(groups) for groups in _NANP_GROUPS if lengths[: len(groups)] == groups]


def _international(written: _Written) -> Number | None:
    digits = written.digits
    if "+" not in written.value:
        if not digits.startswith("00"):
            return None
        digits = digits[2:]
    region = next(regions_of(digits), None)
    return Number(written.start, written.end, INTERNATIONAL, region) if region else None


def _grouped(written: _Written, regions: tuple[str, ...]) -> Number | None:
    if len(written.groups) > 1 and "+" not in written.value:
        for region in regions:
            plan = plan_of(region)
            if _is_usual(written, plan) and plan.allows(written.digits):
                return Number(written.start, written.end, GROUPED, region)
    return None


def _is_usual(written: _Written, plan: Plan) -> bool:
    """Whether *written* looks the way people write numbers within the country."""
    if plan.trunk == "1":
        return written.lengths in _NANP_GROUPS
    return written.value.startswith("(") or (
        plan.trunk == "0" and written.lengths[0] > 1 and written.digits.startswith("0")
    )


def _plain(stretch: _Written, regions: tuple[str, ...]) -> Iterator[Number]:
    """Digits that are a number if the context says so: the stretch as a whole, or what stands between spaces in it."""
    pieces: list[list[tuple[int, int]]] = []
    for group in stretch.groups:
        if not pieces or stretch.text[group[0] - 1].isspace():
            pieces.append([])
        pieces[-1].append(group)
    for groups in ([list(stretch.groups)] if len(pieces) > 1 else []) + pieces:
        written = _Written(stretch.text, groups[0][0], groups)
        if written.is_possible:
            region = next((region for region in regions if plan_of(region).allows(written.digits)), None)
            if region:
                yield Number(written.start, written.end, PhoneRecognizer.SCORE, region)
                if len(groups) == len(stretch.groups):
                    return


class Phone(PhoneRecognizer):  # type: ignore[misc]
    """presidio's recognizer for telephone numbers of several regions."""

    def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """The numbers in *text*."""
        return [
            make_result(self, self.supported_entities[0], number.start, number.end, number.score)
            for number in find_numbers(text, tuple(self.supported_regions))
        ]


class ZaPhone(ZaPhoneNumberRecognizer):  # type: ignore[misc]
    """presidio's recognizers for South African numbers, of mobile telephones or of others."""

    def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """The numbers in *text* of the recognizer's kind."""
        return [
            make_result(self, self.supported_entities[0], number.start, number.end, number.score)
            for number in find_numbers(text, (self.REGION,))
            if number.region == self.REGION
            and self._kind(text[number.start : number.end]) == self.target_classification
        ]

    def _kind(self, value: str) -> str | None:
        kind: str | None = self._classify(phonenumbers.parse(value, self.REGION))
        return kind
