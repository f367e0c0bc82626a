"""Everything that a text says in an encoding, however often it was encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scanner_service.errors import ViewError
from scanner_service.text import Check, Span, View
from scanner_service.views.ciphers import decipher_stretches
from scanner_service.views.cuts import join_stretches
from scanner_service.views.encodings import decode_stretches
from scanner_service.views.escapes import unescape_stretches

DEPTH = 3
"""How many encodings around each other are taken off."""

MOST_VIEWS = 16
"""How many stretches stand alone; all further ones share the last view."""


MOST_TIMES, ALWAYS = 4, 65_536
"""So many times the characters of the text may come out of it in all, and so many characters more."""


def decode(surface: Sequence[View], check: Check) -> Sequence[View]:
    """
    A view of each encoded stretch of a text, its characters mapped to the stretch; first those on the surface.

    A stretch may be encoded again, up to `DEPTH` times; what is encoded more often than that shows as its last
    encoding, which a model sees but need not understand. Every decoding shrinks its stretch, but for ciphers, which
    keep its length or double it, and stretches of one decoding do not overlap. What several of them say of the same
    stretch counts once; who writes so that all of them say something else on every level is refused.
    More than `MOST_VIEWS` stretches are not dropped but joined in the last view.

    Args:
        surface: the text, in one reading or more.
        check: called before each stretch; what it raises ends the decoding.

    Raises:
        ViewError: if the text says more than `MOST_TIMES` its length and `ALWAYS`.
    """
    found: list[View] = []
    room = MOST_TIMES * len(surface[0].text) + ALWAYS
    known: set[tuple[str, int]] = set()
    level = surface
    for _ in range(DEPTH):
        begin = len(found)
        for inner in (inner for outer in level for inner in _inside(outer)):
            check()
            if inner.stretch in known:
                continue
            known.add(inner.stretch)
            found.append(inner)
            room -= len(inner.text)
            if room < 0:
                raise ViewError("the text says too much in encodings")
        level = found[begin:]
    if len(found) <= MOST_VIEWS:
        return found
    return [*found[: MOST_VIEWS - 1], View.joined(found[MOST_VIEWS - 1 :], "\n")]


def _inside(view: View) -> Iterator[View]:
    yield from unescape_stretches(view)
    yield from join_stretches(view)
    for read in (decode_stretches, decipher_stretches):
        for span, plain in read(view.text):
            yield view.slice(span).rewrite([(Span(0, len(span)), plain)])
