"""Everything that a text says in an encoding, however often it was encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scanner_service.text import Span, View
from scanner_service.views.ciphers import decipher_stretches
from scanner_service.views.cuts import join_stretches
from scanner_service.views.encodings import decode_stretches
from scanner_service.views.escapes import unescape_stretches

DEPTH = 3
"""How many encodings around each other are taken off."""

MOST_VIEWS = 16
"""How many stretches stand alone; all further ones share the last view."""


def decode(view: View) -> Sequence[View]:
    """
    A view of each encoded stretch of *view*, its characters mapped to the stretch; first those on the surface.

    A stretch may be encoded again, up to `DEPTH` times; what is encoded more often than that shows as its last
    encoding, which a model sees but need not understand. Every decoding shrinks its stretch, but for ciphers, which
    keep its length or double it, and stretches of one decoding do not overlap: so all views together are at most a
    small multiple of the text. More than `MOST_VIEWS` stretches are not dropped but joined in the last view.
    """
    found: list[View] = []
    level = [view]
    for _ in range(DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        found += level
    if len(found) <= MOST_VIEWS:
        return found
    return [*found[: MOST_VIEWS - 1], View.joined(found[MOST_VIEWS - 1 :], "\n")]


def _inside(view: View) -> Iterator[View]:
    yield from unescape_stretches(view)
    yield from join_stretches(view)
    for read in (decode_stretches, decipher_stretches):
        for span, plain in read(view.text):
            yield view.slice(span).rewrite([(Span(0, len(span)), plain)])
