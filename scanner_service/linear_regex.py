"""Regular expressions that cannot be made to hang: RE2 in place of `re`, with offsets in characters."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import re2  # type: ignore[import-untyped]

from scanner_service.errors import ConfigError
from scanner_service.text import Span

# A single search is linear, but it may look ahead to the end of the text before it settles for a short match, so that
# many matches can cost the square. This much processor time is granted to one pattern over one text.
SECONDS = 1.0

# RE2 falls back to simulating the program, instruction by instruction for each byte, when its cache overflows.
MAX_INSTRUCTIONS = 10_000

_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
# Whether they hold depends on what stands around a match.
_WORD_BOUNDARY = re.compile(r"(?<!\\)((?:\\\\)*)\\[bB]")
# What no pattern but one that takes everything has in common.
_UNLIKE = ("a", "7", "~/+=", "Kx9 é" * 20)

# `\C` matches one byte, which may be a part of a character.
_SINGLE_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")


# Of a match in a text: nothing if it counts, otherwise behind its start where to look for the next.
Instead = Callable[[str, Span], int | None]


@dataclass(frozen=True, slots=True)
class Pattern:
    """
    A compiled pattern. It holds no state and can be used from several threads.

    Attributes:
        source: the pattern as it was written.
        case_sensitive: whether `a` and `A` differ.
    """

    source: str
    case_sensitive: bool
    _compiled: Any

    def finditer(self, text: str, group: int = 0, instead: Instead | None = None) -> Iterator[Span]:
        """
        All matches in *text* from left to right, apart from each other, in characters: the whole match, or a *group*.

        What is empty, or a group that took no part, is left out. So is what does not count, if *instead* is there to
        say so; what counts may overlap it.

        Should looking for them take longer than `SECONDS`, which takes a pattern that invites it and a text of tens
        of thousands of characters made for it, the last span reaches from the next match to the end of the text.
        """
        data = encode(text)
        matches = self._compiled.finditer(data)
        at, characters, spent = 0, 0, 0.0
        while True:
            began = time.thread_time()
            match = next(matches, None)
            if match is None:
                return
            spent += time.thread_time() - began
            if spent > SECONDS:
                yield Span(characters + _count(data, at, match.start()), len(text))
                return
            start, end = match.span(group)
            if start == end:
                continue
            characters += _count(data, at, start)
            length = _count(data, start, end)
            span = Span(characters, characters + length)
            further = instead(text, span) if instead else None
            if further is None:
                yield span
                at, characters = end, span.end
            else:
                at, characters = start + len(encode(text[span.start : further])), further
                matches = self._compiled.finditer(data, at)

    def is_in(self, text: str) -> bool:
        """Whether it matches anywhere in *text*, if only the empty string."""
        return self._compiled.search(encode(text)) is not None

    @property
    def groups(self) -> int:
        """How many capturing groups the pattern has."""
        return int(self._compiled.groups)


class PatternSet:
    """
    Many patterns over one text at the price of a few: one pass says which of them can match at all.

    Args:
        patterns: in the order in which `candidates` counts them.
    """

    # Ends every searched text. That it is not seen means that RE2 ran out of memory, which it does not report.
    _SENTINEL = "\x01end of text\x02"

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(patterns)
        self._filters = self._prepare(range(len(self._patterns)))

    def candidates(self, text: str) -> Sequence[int]:
        """The indices, in order, of all patterns that match *text* and of some that do not."""
        data = encode(text) + self._SENTINEL.encode()
        candidates: list[int] = []
        for indices, some in self._filters:
            found = some.Match(data, potential=True) or []
            if len(indices) in found:
                candidates += (indices[at] for at in sorted(found) if at < len(indices))
            else:
                candidates += indices
        return candidates

    def finditer(self, text: str, instead: Instead | None = None) -> Iterator[Span]:
        """What `Pattern.finditer` says for each of the patterns, so that matches of two may overlap."""
        for index in self.candidates(text):
            yield from self._patterns[index].finditer(text, instead=instead)

    def _prepare(self, indices: range) -> list[tuple[range, Any]]:
        """RE2's filters for the patterns at *indices*: as many as it takes, since one is limited in size."""
        some = re2.Filter()
        for pattern in self._patterns[indices.start : indices.stop]:
            some.Add(pattern.source.encode(), _options(pattern.case_sensitive))
        some.Add(self._SENTINEL.encode(), _options(case_sensitive=True))
        try:
            some.Compile()
        except re2.error:
            if len(indices) < 2:
                raise
            middle = len(indices) // 2
            return self._prepare(indices[:middle]) + self._prepare(indices[middle:])
        return [(indices, some)]


def compile(pattern: str, *, case_sensitive: bool = True) -> Pattern:  # noqa: A001 - as in re
    """
    Compile *pattern*, written in the syntax of RE2.

    Args:
        pattern: as for `re`, without look-around, back-references and possessive or atomic groups.
        case_sensitive: whether `a` and `A` differ.

    Raises:
        ConfigError: saying what is wrong with the pattern. There is no falling back to another engine.
    """
    if _SINGLE_BYTE.search(pattern):
        raise ConfigError("the pattern uses `\\C`, which would match a part of a character")
    try:
        compiled = re2.compile(pattern.encode(), _options(case_sensitive))
    except UnicodeEncodeError:
        raise ConfigError("the pattern holds a lone surrogate") from None
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error
        raise ConfigError(
            f"not a pattern of the linear-time engine (no look-around, no back-references): {reason}"
        ) from None
    if compiled.programsize > MAX_INSTRUCTIONS:
        raise ConfigError(f"the pattern takes {compiled.programsize} instructions, more than {MAX_INSTRUCTIONS}")
    return Pattern(pattern, case_sensitive, compiled)


def compile_search(pattern: str, *, case_sensitive: bool = True) -> Pattern:
    """
    Compile *pattern*, of which every occurrence is to be found.

    Raises:
        ConfigError: as `compile`, and if no text holds an occurrence, or only empty ones: `^$`, `\b`, `$a`.
    """
    compiled = compile(pattern, case_sensitive=case_sensitive)
    anywhere = _WORD_BOUNDARY.sub(r"\1(?:)", pattern)
    if compile(rf"\A(?:{anywhere})\z")._compiled.possiblematchrange(10) == (b"", b""):
        raise ConfigError("the pattern matches no character, so that it finds nothing; mend it or leave it out")
    return compiled


def compile_whole(pattern: str) -> Pattern:
    """
    Compile *pattern*, of values that are allowed, so that it matches a text only as a whole.

    Raises:
        ConfigError: as `compile_search`, and if it matches every text.
    """
    compile_search(pattern)  # alone: what it leaves open must not be closed by what stands around it
    whole = compile(rf"\A(?:{pattern})\z")
    if all(whole.is_in(value) for value in _UNLIKE):
        raise ConfigError("the pattern matches every value, so that none is left to find; make it narrower")
    return whole


def escape(value: str) -> str:
    """The pattern that matches exactly *value*."""
    return str(re2.escape(value))


def encode(text: str) -> bytes:
    """The bytes that RE2 sees: UTF-8, in which a lone surrogate, which has none, is the replacement character."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _LONE_SURROGATES.sub("\ufffd", text).encode()


def _count(data: bytes, start: int, end: int) -> int:
    return len(data[start:end].decode())


def _options(case_sensitive: bool) -> Any:
    options = re2.Options()
    options.case_sensitive = case_sensitive
    options.log_errors = False  # RE2 would print to standard error
    return options
