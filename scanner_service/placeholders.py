"""Placeholders: numbered stand-ins such as `[PERSON_1]`, and how tolerantly they are recognized."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def parse(placeholder: str) -> tuple[str, int] | None:
    """The label and number of an exactly spelled *placeholder*; None if it is not one."""
    match = _EXACT.fullmatch(placeholder)
    return (match["label"], int(match["number"])) if match else None


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
            # Where `KEY` and `KEY_1` are labels, the letters of `KEY_12` could be of either.
            meant = parse(f"[{_GAP.sub('_', core.of(text).upper())}]")
            if meant is None or meant[0] not in names:
                meant = labels_by_letters[_letters(match["name"])], int(match["number"])
            yield Mention(spell(*meant), enclosed or core)


class StandIns:
    """
    Stand-ins – placeholders, and fakes, which are any other text – and how they are found again.

    To add one takes no look at the others, and to find them takes as long for thousands as for a few.

    Args:
        values: stand-in to the value it stands for.

    Attributes:
        values: likewise, with those that were added.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values: dict[str, str] = {}
        self._labels: set[str] = set()
        # A pattern of all fakes would have to be made anew for each of them, and try all of them at each character.
        self._lengths: defaultdict[str, set[int]] = defaultdict(set)  # of fakes, by how they begin
        self._beginning = sys.maxsize  # in characters: as many as the shortest fake has
        for stand_in, value in values.items():
            self.add(stand_in, value)

    def add(self, stand_in: str, value: str) -> None:
        """*stand_in* stands for *value* from now on."""
        self.values[stand_in] = value
        if (parsed := parse(stand_in)) is not None:
            self._labels.add(parsed[0])
            return
        if len(stand_in) < self._beginning:
            self._beginning = len(stand_in)
            before, self._lengths = self._lengths, defaultdict(set)
            for beginning, lengths in before.items():
                self._lengths[beginning[: self._beginning]] |= lengths
        self._lengths[stand_in[: self._beginning]].add(len(stand_in))

    def mentions(self, text: str) -> Sequence[Mention]:
        """The stretches of *text* that stand for one of them, in order and apart from each other."""
        found = [mention for mention in mentions(text, self._labels) if mention.placeholder in self.values]
        if self._lengths:
            found = sorted([*found, *self._fakes(text)], key=lambda mention: mention.span)
        apart: list[Mention] = []
        for mention in found:
            if not apart or mention.span.start >= apart[-1].span.end:
                apart.append(mention)
        return apart

    def _fakes(self, text: str) -> Iterator[Mention]:
        """From left to right, of several that begin at one character the longest."""
        at = 0
        while at < len(text):
            for length in sorted(self._lengths.get(text[at : at + self._beginning], ()), reverse=True):
                span = Span(at, at + length)
                if (fake := span.of(text)) in self.values and not _goes_on(text, span):
                    yield Mention(fake, span)
                    at += length
                    break
            else:
                at += 1


def _goes_on(text: str, span: Span) -> bool:
    """Whether the word or number at *span* begins before it or ends behind it, as `Lake` does in `Lakeside`."""
    return _joins(text[span.start - 1 : span.start + 1]) or _joins(text[span.end - 1 : span.end + 1])


def _joins(pair: str) -> bool:
    # From Thai on, most scripts are written without spaces between words.
    return len(pair) == 2 and (pair.isalpha() or pair.isdigit()) and max(pair) < "\u0e00"


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
    gap = f"(?:{_GAP.pattern})?"
    names = "|".join(gap.join(map(re.escape, label.split("_"))) for label in labels)
    return re.compile(
        rf"(?:(?P<open>\\?[\[<{{] ?)|(?<![a-z0-9]))(?P<name>{names}){gap}"
        rf"(?P<number>[1-9]\d{{0,{MAX_DIGITS - 1}}})(?![a-z0-9])(?P<close> ?\\?[\]>}}])?",
        re.IGNORECASE | re.ASCII,
    )


_GAP = re.compile(r"\\?[_-]| ")
_EXACT = re.compile(rf"\[(?P<label>[A-Z][A-Z0-9_]*)_(?P<number>[1-9][0-9]{{0,{MAX_DIGITS - 1}}})\]")
_CLOSING = {"[": "]", "<": ">", "{": "}"}


def _letters(label: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", label.upper())
