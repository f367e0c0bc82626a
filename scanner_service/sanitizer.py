"""The one place that edits text: all redactions of all rules, in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from scanner_service.text import Span, View


class Operator(StrEnum):
    """What stands where a redacted span was."""

    REPLACE = "replace"  # a numbered placeholder that can be put back
    MASK = "mask"  # asterisks, as many as there were characters
    REDACT = "redact"  # nothing
    KEEP = "keep"  # the text itself: found and reported, not edited


@dataclass(frozen=True, slots=True)
class Redaction:
    """One span to edit, what it holds, and what to do with it."""

    span: Span
    label: str
    operator: Operator = Operator.REPLACE


def merge(redactions: Iterable[Redaction]) -> Iterator[Redaction]:
    """
    Join redactions that overlap; what overlaps takes the label and operator of its longest part.

    What is kept gives no cover to what another rule redacts.
    """
    group: Redaction | None = None
    longest = 0
    for item in sorted((r for r in redactions if r.operator is not Operator.KEEP and r.span), key=lambda r: r.span):
        if group is None or item.span.start >= group.span.end:
            if group is not None:
                yield group
            group, longest = item, len(item.span)
            continue
        span = Span(group.span.start, max(group.span.end, item.span.end))
        leader, longest = (item, len(item.span)) if len(item.span) > longest else (group, longest)
        group = Redaction(span, leader.label, leader.operator)
    if group is not None:
        yield group


def sanitize(text: str, redactions: Iterable[Redaction]) -> tuple[str, Mapping[str, str]]:
    """
    Apply *redactions* to *text* at once.

    Equal values of one label share a placeholder. A placeholder that *text* already contains is never given out,
    so that whatever carries one in the answer came from here.

    Returns:
        the edited text, and for each placeholder in it the value it stands for.
    """
    placeholders = Placeholders(text)
    edits = [
        (item.span, _replacement(item.operator, item.label, item.span.of(text), placeholders))
        for item in merge(redactions)
    ]
    if not edits:
        return text, {}
    return View.identity(text).rewrite(edits).text, placeholders.values


def _replacement(operator: Operator, label: str, value: str, placeholders: Placeholders) -> str:
    match operator:
        case Operator.REPLACE:
            return placeholders.give(label, value)
        case Operator.MASK:
            return "*" * len(value)
        case Operator.REDACT:
            return ""
        case Operator.KEEP:
            return value


class Placeholders:
    """
    Numbered stand-ins such as `[PERSON_1]`, unique within one text.

    Attributes:
        values: what each placeholder given out stands for.
    """

    def __init__(self, text: str) -> None:
        self.values: dict[str, str] = {}
        self._given: dict[tuple[str, str], str] = {}
        self._next: dict[str, int] = {}
        # Anything that a tolerant reader could take for one of ours is taken.
        self._taken = {
            (_letters(match["label"]), int(match["number"][-9:])) for match in _PLACEHOLDER_LIKE.finditer(text)
        }

    def give(self, label: str, value: str) -> str:
        """The placeholder of *value*: the same each time, never one that the text already holds."""
        if (label, value) not in self._given:
            number = self._next.get(label, 1)
            while (_letters(label), number) in self._taken:
                number += 1
            self._next[label] = number + 1
            placeholder = f"[{label}_{number}]"
            self._given[label, value] = placeholder
            self.values[placeholder] = value
        return self._given[label, value]


def _letters(label: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", label.upper())


# Bounded runs keep it linear on a text of letters or digits alone.
_PLACEHOLDER_LIKE = re.compile(r"(?P<label>[A-Za-z](?:[ _-]?[A-Za-z0-9]){0,40}?)[ _-]{0,2}(?P<number>\d{1,12})(?!\d)")
