"""The one place that edits text: all redactions of all rules, in one pass."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from scanner_service.placeholders import Mention
from scanner_service.substitutes import Substitutes
from scanner_service.text import Span, View


class Operator(StrEnum):
    """What stands where a redacted span was."""

    REPLACE = "replace"  # a numbered placeholder that can be put back
    FAKE = "fake"  # a made-up value of the same sort that can be put back
    HASH = "hash"  # a keyed hash: equal values can be told, none can be put back
    MASK = "mask"  # asterisks, as many as there were characters
    REDACT = "redact"  # nothing
    KEEP = "keep"  # the text itself: found and reported, not edited


@dataclass(frozen=True, slots=True)
class Redaction:
    """
    One span to edit.

    Attributes:
        span: where.
        label: what it holds.
        operator: what to do with it.
        fold: whether spelling variants of one value share a placeholder.
    """

    span: Span
    label: str
    operator: Operator = Operator.REPLACE
    fold: bool = False


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
        group = replace(leader, span=span)
    if group is not None:
        yield group


def sanitize(
    text: str, redactions: Iterable[Redaction], substitutes: Substitutes, check: Callable[[], object] = lambda: None
) -> str:
    """
    Apply *redactions* to *text* at once.

    What lies wholly inside a placeholder that *substitutes* knows is left alone: it is no value but stands for one.

    Args:
        text: what to edit.
        redactions: in any order; they may overlap.
        substitutes: what gives out the stand-ins.
        check: called before each stand-in, which may take a while to make up; what it raises ends the work.
    """
    known = substitutes.stand_ins.mentions(text)
    edits: list[tuple[Span, str]] = []
    for item in merge(item for item in redactions if not _inside(item.span, known)):
        check()
        edits.append((item.span, _replacement(item, item.span.of(text), substitutes)))
    return View.identity(text).rewrite(edits).text


def _inside(span: Span, mentions: Sequence[Mention]) -> bool:
    at = bisect_right(mentions, span.start, key=lambda mention: mention.span.start)
    return at > 0 and span.end <= mentions[at - 1].span.end


def _replacement(item: Redaction, value: str, substitutes: Substitutes) -> str:
    match item.operator:
        case Operator.REPLACE:
            return substitutes.placeholder(item.label, value, fold=item.fold)
        case Operator.MASK:
            return "*" * len(value)
        case Operator.HASH:
            return substitutes.hash(item.label, value)
        case Operator.FAKE:
            return substitutes.fake(item.label, value)
        case Operator.REDACT:
            return ""
        case Operator.KEEP:
            return value
