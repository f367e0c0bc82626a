"""Telephone numbers: presidio's recognizers, asked only about stretches of text that can be one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
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

# No number is written in more groups of digits.
MAX_GROUPS = 7

# Groups of digits, up to two separators apart, or a slash with spaces; one digit may follow `(0)`. An extension may
# touch them, and so may what is short for telephone.
_STRETCH = re.compile(
    r"(?<!\w)(?<!(?<![^\W\d_])\.)(?<!\w-)(?<!\d:)(?:(?:\+|00)\d{1,3}[ .-]\d(?=[ .-])|(?:\+\(?|\(\+?)?\d{1,15}(?!\d)\)?)"
    r"(?:(?:(?:[ ./()-]{1,2}|(?:[ ]?\(0\))?[ ]/[ ])\d{2,12}|[ ]?\(0\)[ ]?\d{1,12})(?!\d)\)?)*"
    r"(?:(?=(?:x|ext)\.?\d{1,5}\b)|(?!\w|:\d))",
    re.ASCII,
)
_GROUP = re.compile(r"\d+", re.ASCII)
# Dates, years in brackets, network addresses, decimal fractions and social security numbers (`041-69-7661`), which some
# numbering plan would take. Behind a plus only fractions are written.
_SOMETHING_ELSE = re.compile(
    r"(?:19|20)\d\d([-/.])\d\d?\1\d\d?(?!\d)|\d\d?([-/.])\d\d?\2(?:\d{4}|\d\d)\Z"
    r"|(?:19|20)\d\d\)|\d{1,3}(?:\.\d{1,3}){3}\Z|\d{3}-\d\d-\d{4}\Z|\+?\d{1,3}\.\d{4,}\Z",
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

    def part(self, first: int, after: int) -> _Written:
        """Groups *first* to *after* alone."""
        groups = self.groups[first:after]
        return _Written(self.text, groups[0][0] if first and groups else self.start, groups)

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
        return MIN_DIGITS <= len(self.digits) <= MAX_DIGITS and not _SOMETHING_ELSE.match(self.value.lstrip("("))


def find_numbers(text: str, regions: tuple[str, ...]) -> Iterator[Number]:
    """The numbers in *text*, apart from each other: international ones, and those of *regions* (ISO 3166)."""
    for match in _STRETCH.finditer(text):
        groups = [group.span() for group in _GROUP.finditer(text, *match.span())]
        if sum(end - start for start, end in groups) >= MIN_DIGITS:
            yield from _in_stretch(_Written(text, match.start(), groups), regions)


def _in_stretch(stretch: _Written, regions: tuple[str, ...]) -> Iterator[Number]:
    """Numbers whose form says what they are, from left to right, and what the rest holds if the context says so."""

    @cache  # asked for each number before, and for the next search
    def beginning(at: int, *, apart: bool) -> Sequence[tuple[Number, int]]:
        return list(_beginning(stretch, at, regions, apart=apart))

    rest = at = 0
    while at < len(stretch.groups):
        found = _evident(beginning, at, apart=at == rest)
        if found:
            number, after = found
            yield from _plain(stretch.part(rest, at), regions)
            yield number
            rest = at = after
        else:
            at += 1
    yield from _plain(stretch.part(rest, at), regions)


def _evident(
    beginning: Callable[..., Sequence[tuple[Number, int]]], at: int, *, apart: bool
) -> tuple[Number, int] | None:
    """
    The number that begins with group *at*, and the group after it: the longest, unless another number follows a shorter
    one and would be cut. Not where a bracket or space must be and is not; *apart* says that a number ends there.
    """
    numbers = beginning(at, apart=apart)
    for number, after in reversed(numbers):
        if any(next_.end > numbers[0][0].end for next_, _ in beginning(after, apart=True)):
            return number, after
    return numbers[0] if numbers else None


def _beginning(stretch: _Written, at: int, regions: tuple[str, ...], *, apart: bool) -> Iterator[tuple[Number, int]]:
    """Every number that begins with group *at* and says by its form what it is, longest first."""
    groups = stretch.groups[at : at + MAX_GROUPS]
    if not groups or not (apart or stretch.text[groups[0][0] - 1] in " ("):
        return
    group, group_end = groups[0]
    start = stretch.start if not at else group - (stretch.text[group - 1] == "(")
    # A bracket belongs to the number if it closes behind the first group: `(415) 555-2671`, `(+44) 20 …`.
    if stretch.text[start] == "(" and stretch.text[group_end : group_end + 1] != ")":
        start += 1
    for count in _counts(stretch.text[start], _Written(stretch.text, start, _to_bracket(stretch.text, groups)).lengths):
        written = _Written(stretch.text, start, groups[:count])
        number = written.is_possible and (_international(written) or _grouped(written, regions))
        if number:
            yield number, at + count


def _to_bracket(text: str, groups: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """The *groups* before a bracket that opens when there are digits enough: what follows is the next number."""
    digits = 0
    for index, (start, end) in enumerate(groups):
        if digits >= MIN_DIGITS and text[start - 1] == "(":
            return groups[:index]
        digits += end - start
    return groups


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
        begins = stretch.start if groups[0] == stretch.groups[0] else groups[0][0]
        written = _Written(stretch.text, begins, groups)
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
