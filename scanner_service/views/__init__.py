"""
Derivations of a text, each of whose characters knows where it came from.

`raw` is the text itself. `normalized` is the text with everything undone that hides words from a reader of code
points but not from a language model. `decoded` holds what encodings in the text spell, each stretch a text of its own.

For ordinary text `normalized` is the very same view as `raw`, and `decoded` is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from scanner_service.text import Derive, View
from scanner_service.views.characters import INVISIBLE, invisible_runs, members
from scanner_service.views.decode import decode
from scanner_service.views.forms import UNUSUAL, undress, unmark
from scanner_service.views.hidden import reveal
from scanner_service.views.leet import unleet
from scanner_service.views.lookalikes import latinize
from scanner_service.views.shape import shape
from scanner_service.views.spacing import close_letters, part_words

__all__ = ["VIEWS", "decoded", "invisible_runs", "normalized", "raw"]

_UNUSUAL = UNUSUAL | members(INVISIBLE)


def raw(view: View) -> Sequence[View]:
    """The text as it is."""
    return (view,)


def normalized(view: View) -> Sequence[View]:
    """
    The text in plain letters and words, always one view; the same view if there is nothing to undo.

    Undone, in this order: invisible characters (what they spell follows on lines of its own), letters in other
    forms, piles of combining marks, spaced-out words, look-alike letters, leetspeak, words run together.
    """
    view = _plain_characters(view)
    for undo in (close_letters, latinize, unleet, part_words):
        view = undo(view)
    return (view,)


def _plain_characters(view: View) -> View:
    text = view.text
    if b"\0" not in shape(text) if text.isascii() else _UNUSUAL.isdisjoint(set(text)):
        return view
    return unmark(undress(reveal(view)))


def decoded(view: View) -> Sequence[View]:
    """What encoded stretches of the text say, a view each, normalized; none for ordinary text. See `decode`."""
    return [normalized(found)[0] for found in decode(_plain_characters(view))]


VIEWS: Mapping[str, Derive] = MappingProxyType({"raw": raw, "normalized": normalized, "decoded": decoded})
"""The name of each derivation, as needs and findings spell it."""
