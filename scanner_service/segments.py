"""Text that arrives in pieces, as segments that are decided one after another, each with what stands around it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from scanner_service.text import Span, View
from scanner_service.views import visible
from scanner_service.views.characters import CONTROL_SEQUENCE, INVISIBLE

# All in characters. A segment is what is decided at once; it ends behind a white space, so that no word is cut.
SEGMENT = 64
# Text behind a segment that is looked at with it: what begins inside shows where it ends. Only what can be seen counts:
# the views leave out the rest, and join what it parts.
MARGIN = 96
CONTEXT = 256  # text before it, for context words and for the classifiers; likewise
MAX_HELD = 8_192  # a word, or a finding that does not end, is held back no longer than this, and no context is longer

_SPACE = re.compile(r"\s")

# What the views leave out, see `views.characters`; there may be white space in it.
_CSI, _OSC = "(?:\x1b\\[|\x9b)", f"(?:\x1b\\]|\x9d)[^{INVISIBLE}\r\n]{{0,1000}}"
_HIDDEN = re.compile(f"(?:{_CSI}{CONTROL_SEQUENCE}|{_OSC}(?:\x07|\x1b\\\\|\x9c)|[{INVISIBLE}])++")
_BEGUN = re.compile(f"(?:{_CSI}[0-?]{{0,64}}[ -/]{{0,4}}|{_OSC}\x1b?|\x1b)\\Z")

# What the views put together across white space: numbers and signs that stand for single characters, so many of them
# that they can spell something (one sign again and again spells nothing), and lines of base64 or of numbers.
_FEWEST_GROUPS = 8
_GROUP = re.compile(
    r"\S|(?:0[xXbBoO]|\\[xu]|[uU]\+|&#x?|(?i:chr)\()?[0-9A-Fa-f]{1,8}[,;:.|/'\")+&_-]{0,4}|[.·•_–—−|/-]{1,8}"
)
_CODED = re.compile(r"[A-Za-z0-9+/_=-]{16,}|(?:[,;:.|/'\"xXoO_-]{0,4}[0-9A-Fa-f]){16,}[,;:.|/'\"_-]{0,4}")
_PLAIN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[-_/+=]+")
_QUOTING = ">\"'+,|#*\\"

# Only its end shows that it is a key, whatever its lines look like. It has no two hyphens inside.
_KEY = re.compile(
    r"(?:-{5}BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-{5}|PuTTY-User-Key-File-[0-9])"
    r"(?:-?[^-])*+-{0,5}(?:(?<=-----)E[A-Z0-9 ]*-{0,4})?\Z"
)


@dataclass(frozen=True, slots=True)
class Window:
    """A segment from `done` to `cut` with what is looked at around it, all in characters of the whole text."""

    start: int
    done: int
    cut: int
    end: int
    text: str
    complete: bool

    def span_in_whole(self, span: Span) -> Span:
        """*span* of this window's text, in characters of the whole text."""
        return Span(span.start + self.start, span.end + self.start)

    def leaves_open(self, span: Span) -> bool:
        """
        Whether *span* of the whole text may go on behind this window.

        What covers the context too, as the finding of a classifier does, says nothing about where it ends.
        """
        return not self.complete and span.end == self.end and (span.start > self.start or self.start == self.done)

    def key_without_end(self) -> Iterator[Span]:
        """The private key, if there is one, whose end has not arrived; in characters of the whole text."""
        shown = visible(View.identity(self.text))
        key = None if self.complete else _KEY.search(shown.text)
        if key is not None:
            yield Span(self.start + shown.to_original(Span(*key.span())).start, self.end)


class Segments:
    """
    What has arrived of a text. Where its segments end does not depend on the pieces in which it came.

    Attributes:
        done: up to where it is decided.
    """

    def __init__(self) -> None:
        self.done = 0
        self._text = ""  # from `_base` on; what is decided and out of every context is forgotten
        self._base = 0
        self._read = 0  # up to where it is known what can be seen
        self._seen = ""  # of the text up to there, what can be seen,
        self._places: list[int] = []  # and where in the whole text each character of that is
        self._least = SEGMENT  # what the next segment must reach
        self._passed = 0  # up to where it cannot end, so that this is not looked for again

    def add(self, piece: str) -> None:
        """The next *piece* has arrived."""
        self._text += piece
        self._look(final=False)

    def next(self, *, final: bool) -> Window | None:
        """The next segment with its surroundings; None if it has not arrived yet, or, once *final*, there is none."""
        if final:
            self._look(final=True)
        bounds = self._bounds()
        if bounds is None:
            if not final or self.done == self._read:
                return None
            bounds = self._read, self._read
        start, (cut, end) = self._context(), bounds
        return Window(start, self.done, cut, end, self.slice(start, end), complete=final and end == self._read)

    def postpone(self, window: Window) -> None:
        """*window* can't be decided: the next one is twice as long, so that all attempts together stay linear."""
        self._least = 2 * (window.end - self.done)

    def decide(self, cut: int) -> None:
        """What stands before *cut* is decided."""
        self.done, self._least, self._passed = cut, SEGMENT, 0

    def forget(self) -> None:
        """Let go of what no window will hold."""
        base = self._context()
        gone = bisect_left(self._places, base)
        self._text, self._base = self._text[base - self._base :], base
        self._seen = self._seen[gone:]
        del self._places[:gone]

    def slice(self, start: int, end: int) -> str:
        """The characters from *start* to *end*, as far as they have arrived."""
        return self._text[start - self._base : end - self._base]

    def _context(self) -> int:
        """Where the text before the next segment begins that is looked at with it."""
        seen = bisect_left(self._places, self.done) - CONTEXT
        return max(self._places[seen] if seen >= 0 else self._base, self.done - MAX_HELD)

    def _look(self, *, final: bool) -> None:
        """See what has arrived, up to a control sequence that has only begun."""
        begun = None if final else _BEGUN.search(self._text, self._read - self._base)
        at, end = self._read - self._base, begun.start() if begun else len(self._text)
        for hidden in _HIDDEN.finditer(self._text, at, end):
            self._see(at, hidden.start())
            at = hidden.end()
        self._see(at, end)
        self._read = self._base + end

    def _see(self, start: int, end: int) -> None:
        self._seen += self._text[start:end]
        self._places.extend(range(self._base + start, self._base + end))

    def _bounds(self) -> tuple[int, int] | None:
        """Where the next segment ends, and what is looked at with it; None if that has not arrived."""
        longest = self.done + max(MAX_HELD, self._least)
        begin = bisect_left(self._places, max(self.done + self._least - 1, self._passed))
        for space in _SPACE.finditer(self._seen, begin, bisect_left(self._places, longest)):
            cut = space.end()
            if cut + MARGIN > len(self._seen):
                self._passed = self._places[space.start()]
                break
            end = self._places[cut + MARGIN - 1] + 1
            if end > longest + MARGIN:
                break
            if not _joins(self._seen[max(0, cut - MARGIN) : cut], self._seen[cut : cut + MARGIN]):
                return self._places[space.start()] + 1, end
        else:
            self._passed = min(self._read, longest)
        return (longest, longest + MARGIN) if longest + MARGIN <= self._read else None


def _joins(before: str, after: str) -> bool:
    """Whether the views may read what stands before and after a white space as one."""
    left = before.rsplit(maxsplit=_FEWEST_GROUPS)[::-1][:_FEWEST_GROUPS]
    right = after.split(maxsplit=_FEWEST_GROUPS)[:_FEWEST_GROUPS]
    groups = [list(takewhile(_GROUP.fullmatch, side)) for side in (left, right)]
    spells = len("".join({*groups[0], *groups[1]})) > 1
    return (all(groups) and sum(map(len, groups)) >= _FEWEST_GROUPS and spells) or (
        _ends_coded(left) and _ends_coded(right)
    )


def _ends_coded(words: list[str]) -> bool:
    word = next(filter(None, (word.strip(_QUOTING) for word in words)), "")
    return _CODED.fullmatch(word) is not None and _PLAIN.fullmatch(word) is None
