"""Placeholders: numbered stand-ins such as `[PERSON_1]`, and how tolerantly they are recognized."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from scanner_service.text import Span

# Longer numbers are never given out.
MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Mention:
    """A stretch of text that stands for a placeholder, though case, spacing or brackets may have changed."""

    placeholder: str
    span: Span


def spell(label: str, number: int) -> str:
    """The placeholder with this *number* among those of *label*."""
    return f"[{label}_{number}]"


def mentions(text: str, labels: Iterable[str]) -> Iterator[Mention]:
    """
    Every stretch of *text* that stands for a placeholder of one of *labels*, in order.

    LLMs change case, write spaces or hyphens for underscores, escape them for Markdown, and change or drop the
    brackets. Without brackets a stretch counts if it keeps its capitals or an underscore: `PERSON 1` and `person_1`
    do, `person 1` is prose. `PERSON_12` is never a mention of `PERSON_1`.
    """
    names = tuple(sorted(set(labels), key=lambda label: (-len(label), label)))
    if not names:
        return
    labels_by_letters = {_letters(label): label for label in names}
    for match in _pattern(names).finditer(text):
        core = Span(match.start("name"), match.end("number"))
        enclosed = _enclosed(match)
        if enclosed or _keeps_its_form(core.of(text)):
            placeholder = spell(labels_by_letters[_letters(match["name"])], int(match["number"]))
            yield Mention(placeholder, enclosed or core)


def _enclosed(match: re.Match[str]) -> Span | None:
    """The span with its brackets, if it has a pair of them, both escaped or both not."""
    before, after = match["open"], match["close"]
    if before is None or after is None or _CLOSING[before.strip(" \\")] != after.strip(" \\"):
        return None
    if ("\\" in before) == ("\\" in after):
        return Span(*match.span())
    # A lone backslash is the text's own.
    return None if "\\" in after else Span(match.start() + 1, match.end())


def _keeps_its_form(core: str) -> bool:
    return "_" in core or core.isupper()


@lru_cache(maxsize=256)
def _pattern(labels: tuple[str, ...]) -> re.Pattern[str]:
    gap = r"(?:\\?[_-]| )?"
    names = "|".join(gap.join(map(re.escape, label.split("_"))) for label in labels)
    return re.compile(
        rf"(?:(?P<open>\\?[\[<{{] ?)|(?<![a-z0-9]))(?P<name>{names}){gap}"
        rf"(?P<number>[1-9]\d{{0,{MAX_DIGITS - 1}}})(?!\d)(?P<close> ?\\?[\]>}}])?",
        re.IGNORECASE | re.ASCII,
    )


_CLOSING = {"[": "]", "<": ">", "{": "}"}


def _letters(label: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", label.upper())
