"""Bounded matching: presidio's regular expressions, window by window, so that no text keeps one busy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import regex  # type: ignore[import-untyped]

# A backtracking expression that needs the square of its text's length needs the square of this instead.
WINDOW = 2048

# How far a match may reach beyond the window it starts in: longer than any entity there is a recognizer for.
REACH = 512

# Processor time of a window is under a millisecond; what needs this long has met an input made to stall it.
SECONDS = 1.0


class TooSlow(Exception):
    """
    A recognizer did not get through a window in time, so nobody knows what the text holds.

    Not a `TimeoutError`, which presidio takes for "nothing found".
    """


class BoundedRegex:
    """
    Stands where presidio keeps a compiled regular expression.

    Each match starts in one window and may end in the next. Look-behind sees what comes before a window, so that
    matches are those of the whole text, as long as each, with what it looks ahead to, is not longer than `REACH`.

    Args:
        pattern: in the syntax of the package `regex`.
        flags: as of `regex.compile`.
        overlapped: also report matches that overlap an earlier one, for recognizers that throw most of them away.
    """

    def __init__(self, pattern: str, flags: int, *, overlapped: bool = False) -> None:
        self._compiled: Any = regex.compile(pattern, flags)
        self._overlapped = overlapped

    def finditer(self, text: str, timeout: float = SECONDS) -> Iterator[Any]:
        """
        All matches in *text*, from left to right.

        Raises:
            TooSlow: if a window takes longer than `SECONDS` or *timeout*, whichever is shorter.
        """
        at = 0
        while at < len(text):
            window_end = min(at + WINDOW, len(text))
            after = window_end
            for match in self._matches(text, at, min(window_end + REACH, len(text)), min(timeout, SECONDS)):
                if match.start() >= window_end:
                    break
                yield match
                after = max(after, match.end())
            at = window_end if self._overlapped else after

    def _matches(self, text: str, start: int, end: int, timeout: float) -> Iterator[Any]:
        try:
            yield from self._compiled.finditer(text, start, end, overlapped=self._overlapped, timeout=timeout)
        except TimeoutError:
            raise TooSlow from None
