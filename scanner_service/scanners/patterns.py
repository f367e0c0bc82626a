"""Kind `patterns`: words and regular expressions that a text must not hold, or of which it must hold one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from scanner_service import linear_regex
from scanner_service.errors import ConfigError
from scanner_service.findings import Finding
from scanner_service.linear_regex import Pattern, PatternSet
from scanner_service.scanner import Context, ModelInfo, Need
from scanner_service.scanners._disguise import SHORTEST, fold, is_plain, undisguised
from scanner_service.scanners._words import as_pattern, inside_word, whole
from scanner_service.text import Span, Text
from scanner_service.views import VIEWS

# Where to look unless the configuration says otherwise.
VIEWS_SEARCHED = ("raw", "normalized", "decoded")

Label = Annotated[str, msgspec.Meta(pattern="^[A-Z][A-Z0-9_]*$")]
Nonempty = Annotated[str, msgspec.Meta(min_length=1)]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What is looked for under one label.

    Attributes:
        label: of the findings.
        substrings: texts, taken literally.
        patterns: regular expressions in the syntax of RE2.
        match: whether a substring counts anywhere, or only as a `word`.
        case_sensitive: whether `a` and `A` differ.
        contains_all: whether the entry counts only if each of its substrings and patterns occurs.
        disguised: whether a substring of at least four letters is also found in disguise: `l 3 t m e i n`. Not for
            entries that are case sensitive or need all of their parts.
    """

    label: Label = "PATTERN"
    substrings: list[Nonempty] = []
    patterns: list[Nonempty] = []
    match: Literal["substring", "word"] = "substring"
    case_sensitive: bool = False
    contains_all: bool = False
    disguised: bool = True


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Options of the kind.

    Attributes:
        entries: what is looked for.
        mode: `deny`: every occurrence is a finding. `allow`: a text in which nothing occurs is one.
        views: the derivations of the text to look in; in mode `allow` it is always the text itself.
    """

    entries: Annotated[list[Entry], msgspec.Meta(min_length=1)]
    mode: Literal["deny", "allow"] = "deny"
    views: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = VIEWS_SEARCHED


@dataclass(frozen=True, slots=True)
class Expression:
    """One substring or pattern, and the entry that it belongs to."""

    entry: int
    pattern: Pattern
    word: bool

    def find(self, text: str) -> Iterator[Span]:
        """Each occurrence in *text*."""
        return self.pattern.finditer(text, instead=inside_word if self.word else None)


@dataclass(frozen=True, slots=True)
class Expressions:
    """Many expressions over one text."""

    each: Sequence[Expression]
    patterns: PatternSet

    @classmethod
    def of(cls, expressions: Sequence[Expression]) -> Expressions:
        """Prepare *expressions*."""
        return cls(expressions, PatternSet([expression.pattern for expression in expressions]))

    def find(self, text: str) -> Mapping[int, Sequence[Sequence[Span]]]:
        """For each entry of which something occurs: the occurrences of each of its expressions that do."""
        found: dict[int, list[list[Span]]] = {}
        for index in self.patterns.candidates(text):
            if spans := list(self.each[index].find(text)):
                found.setdefault(self.each[index].entry, []).append(spans)
        return found


@dataclass(frozen=True, slots=True)
class Patterns:
    """Reports every occurrence of everything that is looked for, or that nothing occurs."""

    entries: Sequence[Entry]
    expressions: Expressions
    disguised: Expressions
    views: Sequence[str]
    allow: bool
    needs: Sequence[Need] = ()

    @property
    def labels(self) -> frozenset[str]:
        """Those of the entries; in mode `allow` the one for a text without any."""
        return frozenset({"NOT_ALLOWED"} if self.allow else {entry.label for entry in self.entries})

    @property
    def whole_text(self) -> bool:
        """Whether what is looked for may be anywhere in the text, also in parts far from each other."""
        return self.allow or self.entries[0].contains_all  # then they all are so, see `build`

    def scan(self, text: Text, context: Context) -> Iterator[Finding]:
        """In mode `deny` one finding for each occurrence, in mode `allow` one for a text without any."""
        if self.allow:
            if next(self._find(text.value), None) is None:
                yield Finding("NOT_ALLOWED", 1.0, Span(0, len(text)))
            return
        seen: set[tuple[str, Span]] = set()
        for label, span, view in self._everywhere(text):
            if (label, span) not in seen:
                seen.add((label, span))
                yield Finding(label, 1.0, span, view)

    def _everywhere(self, text: Text) -> Iterator[tuple[str, Span, str]]:
        """Every occurrence in every view: its label, where it is in the original, and the name of the view."""
        read: set[tuple[str, int]] = set()
        for name in self.views:
            for view in text.views(VIEWS[name]):
                if view.stretch not in read:
                    read.add(view.stretch)
                    for entry, span in self._find(view.text):
                        yield self.entries[entry].label, view.to_original(span), name
        if self.disguised.each:
            for entry, span in self._find_disguised(text.value):
                yield self.entries[entry].label, span, "normalized"

    def _find(self, text: str) -> Iterator[tuple[int, Span]]:
        """Every occurrence in *text*, with the index of its entry."""
        for index, each in self.expressions.find(text).items():
            entry = self.entries[index]
            if not entry.contains_all or len(each) == len(set(entry.substrings)) + len(entry.patterns):
                yield from ((index, span) for spans in each for span in spans)

    def _find_disguised(self, text: str) -> Iterator[tuple[int, Span]]:
        view = undisguised(text)
        for index, each in self.disguised.find(view.text).items():
            for span in (view.to_original(span) for spans in each for span in spans):
                if not is_plain(span.of(text)):
                    yield index, span


def build(config: Config, models: Mapping[str, ModelInfo]) -> Patterns:
    """
    Make the scanner.

    Raises:
        ConfigError: if an entry is empty, a pattern does not compile or can find nothing, a view does not exist, an
            option has no effect, or entries that need the whole text are mixed with others.
    """
    if config.mode == "allow" and config.views != VIEWS_SEARCHED:
        raise ConfigError(
            "`$.options.views`: what is hidden cannot make a text acceptable, so that mode `allow` looks at the text "
            "itself; leave them out"
        )
    if config.mode == "deny" and len({entry.contains_all for entry in config.entries}) > 1:
        raise ConfigError(
            "`$.options.entries`: those with `contains_all` judge the whole of a stream, the others each part of it; "
            "give them a rule of their own"
        )
    for view in config.views:
        if view not in VIEWS:
            raise ConfigError(f"`$.options.views`: no `{view}`; there are: {', '.join(VIEWS)}")
    expressions: list[Expression] = []
    disguised: list[Expression] = []
    for index, entry in enumerate(config.entries):
        where = f"`$.options.entries[{index}]"
        if not entry.substrings and not entry.patterns:
            raise ConfigError(f"{where}`: neither `substrings` nor `patterns`")
        if entry.match == "word" and not entry.substrings:
            raise ConfigError(
                f"{where}.match`: words are `substrings`, of which there are none; a pattern begins and ends at "
                "words with `\\b`"
            )
        substrings = dict.fromkeys(entry.substrings)
        expressions += [_substring(index, entry, substring) for substring in substrings]
        expressions += [
            Expression(
                index,
                _compile(linear_regex.compile_search, pattern, entry.case_sensitive, f"{where}.patterns[{at}]`"),
                word=False,
            )
            for at, pattern in enumerate(entry.patterns)
        ]
        if entry.disguised and not entry.case_sensitive and not entry.contains_all:
            wanted = dict.fromkeys(fold(each) for each in substrings if sum(map(str.isalpha, each)) >= SHORTEST)
            disguised += [_substring(index, entry, substring) for substring in wanted]
    return Patterns(
        config.entries,
        Expressions.of(expressions),
        Expressions.of(disguised),
        config.views,
        config.mode == "allow",
    )


def _substring(index: int, entry: Entry, substring: str) -> Expression:
    word = entry.match == "word"
    written = whole(substring) if word else as_pattern(substring)
    return Expression(
        index,
        _compile(linear_regex.compile, written, entry.case_sensitive, f"`$.options.entries[{index}].substrings`"),
        word,
    )


def _compile(compile_: Callable[..., Pattern], pattern: str, case_sensitive: bool, where: str) -> Pattern:
    try:
        return compile_(pattern, case_sensitive=case_sensitive)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
