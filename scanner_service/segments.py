"""Text that arrives in pieces, as segments that are decided one after another, each with what stands around it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scanner_service.text import Span

# All in characters. A segment is what is decided at once; it ends behind a white space, so that no word is cut.
SEGMENT = 64
MARGIN = 96  # text behind a segment that is looked at with it: what begins inside shows where it ends
CONTEXT = 256  # text before it, for context words and for the classifiers
MAX_HELD = 8_192  # a word, or a finding that does not end, is held back no longer than this

_SPACE = re.compile(r"\s")


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
        self._least = SEGMENT  # what the next segment must reach
        self._unspaced = (0, 0)  # where there is no white space to end it behind, so that it is not looked for again

    def add(self, piece: str) -> None:
        """The next *piece* has arrived."""
        self._text += piece

    def next(self, *, final: bool) -> Window | None:
        """The next segment with its surroundings; None if it has not arrived yet, or, once *final*, there is none."""
        arrived = self._base + len(self._text)
        cut = self._cut(arrived)
        if cut is None or cut + MARGIN > arrived:
            if not final or self.done == arrived:
                return None
            cut = arrived
        start, end = max(0, self.done - CONTEXT), min(cut + MARGIN, arrived)
        return Window(start, self.done, cut, end, self.slice(start, end), complete=final and end == arrived)

    def postpone(self, window: Window) -> None:
        """*window* can't be decided: the next one is twice as long, so that all attempts together stay linear."""
        self._least = 2 * (window.end - self.done)

    def decide(self, cut: int) -> None:
        """What stands before *cut* is decided."""
        self.done, self._least = cut, SEGMENT

    def forget(self) -> None:
        """Let go of what no window will hold."""
        gone = max(0, self.done - CONTEXT - self._base)
        self._text, self._base = self._text[gone:], self._base + gone

    def slice(self, start: int, end: int) -> str:
        """The characters from *start* to *end*, as far as they have arrived."""
        return self._text[start - self._base : end - self._base]

    def _cut(self, arrived: int) -> int | None:
        longest = self.done + max(MAX_HELD, self._least)
        least = self.done + self._least - 1
        begin, end = self._unspaced
        space = _SPACE.search(self._text, (end if begin == least else least) - self._base, longest - self._base)
        if space is not None:
            return self._base + space.end()
        self._unspaced = (least, min(max(least, arrived), longest))
        return longest if arrived >= longest else None
