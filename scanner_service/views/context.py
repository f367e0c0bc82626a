"""What hides in the middle of a sentence is read together with what stands around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from scanner_service.text import Span, View

Edit = tuple[Span, str]

CONTEXT = 120
"""So many characters on either side."""


def neighbours(edits: Sequence[Edit]) -> Iterator[Sequence[Edit]]:
    """*edits*, in their order, in groups between which no context overlaps."""
    cuts = [at for at, ((one, _), (two, _)) in enumerate(pairwise(edits), 1) if two.start - one.end > 2 * CONTEXT]
    for start, end in pairwise([0, *cuts, len(edits)] if edits else ()):
        yield edits[start:end]


def in_context(view: View, edits: Sequence[Edit]) -> View:
    """The stretch of *view* around *edits*, with them made."""
    start, end = max(edits[0][0].start - CONTEXT, 0), min(edits[-1][0].end + CONTEXT, len(view.text))
    return view.slice(Span(start, end)).rewrite(
        (Span(span.start - start, span.end - start), plain) for span, plain in edits
    )
