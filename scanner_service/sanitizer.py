"""The one place that edits text: all redactions of all rules, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from scanner_service.placeholders import mentions, spell
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
    Gives out placeholders, unique within one text.

    Attributes:
        values: what each placeholder given out stands for.
    """

    def __init__(self, text: str) -> None:
        self.values: dict[str, str] = {}
        self._text = text
        self._given: dict[tuple[str, str], str] = {}
        self._next: dict[str, int] = {}
        self._taken: dict[str, frozenset[str]] = {}

    def give(self, label: str, value: str) -> str:
        """The placeholder of *value*: the same each time, never one that the text mentions already."""
        if (label, value) not in self._given:
            placeholder = self._unused(label)
            self._given[label, value] = placeholder
            self.values[placeholder] = value
        return self._given[label, value]

    def _unused(self, label: str) -> str:
        if label not in self._taken:
            self._taken[label] = frozenset(mention.placeholder for mention in mentions(self._text, [label]))
        while True:
            self._next[label] = self._next.get(label, 0) + 1
            placeholder = spell(label, self._next[label])
            if placeholder not in self._taken[label]:
                return placeholder
