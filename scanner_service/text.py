"""Text that knows where its characters came from: `Span`, `View` and `Text`."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from scanner_service.errors import ViewError


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range of characters, `start` included and `end` excluded."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span: {self.start} to {self.end}")

    def __len__(self) -> int:
        return self.end - self.start

    def of(self, text: str) -> str:
        """The characters of *text* that the span covers."""
        return text[self.start : self.end]


class View:
    """
    A string whose every character knows which characters of the original it came from.

    `starts[i]` and `ends[i]` are the original range of `text[i]`. An identity view uses ranges, so that
    looking at a text unchanged allocates nothing.
    """

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        if not len(text) == len(starts) == len(ends):
            raise ValueError("a view needs one start and one end for each character")
        self.text = text
        self.starts = starts
        self.ends = ends

    @classmethod
    def identity(cls, text: str) -> View:
        """The view in which each character came from itself."""
        return cls(text, range(len(text)), range(1, len(text) + 1))

    @property
    def stretch(self) -> tuple[str, int]:
        """What it says, and where in the original it begins: equal for two views of which one need not be looked at."""
        return self.text, self.starts[0] if self.text else 0

    def to_original(self, span: Span) -> Span:
        """
        The smallest range of the original that *span* of this view came from.

        An empty span maps to an empty span.

        Raises:
            ValueError: if *span* reaches outside this view.
        """
        if span.end > len(self.text):
            raise ValueError(f"span {span.start} to {span.end} is outside a view of {len(self.text)} characters")
        return Span(*self._source(span.start, span.end))

    def _source(self, start: int, end: int) -> tuple[int, int]:
        if end - start == 1:
            return self.starts[start], self.ends[start]
        if start < end and isinstance(self.starts, range):
            return self.starts[start], self.ends[end - 1]
        if start < end:
            return min(self.starts[start:end]), max(self.ends[start:end])
        at = self.starts[start] if start < len(self.text) else (self.ends[-1] if self.text else 0)
        return at, at

    @classmethod
    def joined(cls, views: Sequence[View], separator: str = "") -> View:
        """
        *views* of one original, one after the other.

        Between two of them stands *separator*, which came from the last character before it.
        """
        if len(views) == 1:
            return views[0]
        starts, ends = array("q"), array("q")
        for number, view in enumerate(views):
            if number:
                starts.extend([starts[-1] if starts else 0] * len(separator))
                ends.extend([ends[-1] if ends else 0] * len(separator))
            starts.extend(view.starts)
            ends.extend(view.ends)
        return cls(separator.join(view.text for view in views), starts, ends)

    def slice(self, span: Span) -> View:
        """The part of this view that *span* covers, as a view of its own."""
        return View(span.of(self.text), self.starts[span.start : span.end], self.ends[span.start : span.end])

    def rewrite(self, edits: Iterable[tuple[Span, str]]) -> View:
        """
        Replace spans of this view by other text; every new character came from the whole replaced span.

        This is the only editing primitive: normalizing, decoding and sanitizing are lists of edits.

        Args:
            edits: pairs of a span and its replacement, ordered by start, not overlapping.

        Raises:
            ValueError: if the edits overlap, are not in order or reach outside the view.
        """
        parts: list[str] = []
        starts, ends = array("q"), array("q")
        at, span = 0, None
        for span, replacement in edits:
            if span.start < at or span.end > len(self.text):
                raise ValueError("edits must be in order, apart from each other and inside the view")
            if at < span.start:
                self._keep(at, span.start, parts, starts, ends)
            if replacement:
                start, end = self._source(span.start, span.end)
                parts.append(replacement)
                starts.extend([start] * len(replacement))
                ends.extend([end] * len(replacement))
            at = span.end
        if span is None:
            return self
        self._keep(at, len(self.text), parts, starts, ends)
        return View("".join(parts), starts, ends)

    def _keep(self, start: int, end: int, parts: list[str], starts: array[int], ends: array[int]) -> None:
        parts.append(self.text[start:end])
        starts.extend(self.starts[start:end])
        ends.extend(self.ends[start:end])


Check = Callable[[], None]
Derive = Callable[[View, Check], Sequence[View]]


def unchecked() -> None:
    """The check of a derivation that may take as long as it does."""


class Text:
    """
    A text under scan. It never changes; each of its derivations is computed at most once.

    Attributes:
        value: the text itself.
        check: called between the steps of a derivation that takes its time; what it raises ends that.
    """

    __slots__ = ("_views", "check", "value")

    def __init__(self, value: str) -> None:
        self.value = value
        self.check: Check = unchecked
        self._views: dict[Derive, Sequence[View] | ViewError] = {}

    def __len__(self) -> int:
        return len(self.value)

    def views(self, derive: Derive) -> Sequence[View]:
        """
        What *derive* makes of this text: one view, several, or none.

        Raises:
            ViewError: if it cannot; it is not tried again.
        """
        if derive not in self._views:
            try:
                self._views[derive] = tuple(derive(View.identity(self.value), self.check))
            except ViewError as error:
                self._views[derive] = error
        views = self._views[derive]
        if isinstance(views, ViewError):
            raise views
        return views
