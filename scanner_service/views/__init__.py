"""
Derivations of a text, each of whose characters knows where it came from.

`raw` is the text itself. `normalized` is the text with everything undone that hides words from a reader of code
points but not from a language model. `decoded` holds what encodings in the text spell, each stretch a text of its own.

For ordinary text `normalized` is the very same view as `raw`, and `decoded` is empty. Where characters are invisible,
`normalized` also holds the text without them, as a sanitizer leaves it that removes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from scanner_service.text import Check, Derive, View, unchecked
from scanner_service.views.backslashes import unescape_values
from scanner_service.views.characters import INVISIBLE, invisible_runs, members
from scanner_service.views.decode import decode
from scanner_service.views.forms import UNUSUAL, undress, unmark, unmix
from scanner_service.views.hidden import reveal, visible
from scanner_service.views.leet import unleet
from scanner_service.views.lookalikes import latinize
from scanner_service.views.shape import shape
from scanner_service.views.spacing import close_letters, part_words

__all__ = ["VIEWS", "decoded", "invisible_runs", "normalized", "raw", "visible"]

_UNUSUAL = UNUSUAL | members(INVISIBLE)


def raw(view: View, check: Check = unchecked) -> Sequence[View]:
    """The text as it is."""
    return (view,)


def normalized(view: View, check: Check = unchecked) -> Sequence[View]:
    """
    The text in plain letters and words; the same view if there is nothing to undo.

    Undone, in this order: invisible characters (what they spell follows on lines of its own), letters in other
    forms, piles of combining marks, backslashes inside values, spaced-out words, look-alike letters, leetspeak, words
    run together.

    A space may take the place of invisible characters, and part a value that is whole once they are removed. Where that
    makes a difference, two more views follow: the text without them, and that text in plain letters and words.
    """
    first = _plain_words(_plain_characters(view))
    if first is view or (shown := visible(view)) is view:
        return (first,)
    others = {other.text: other for other in (shown, _plain_words(_plain_characters(shown)))}
    others.pop(first.text, None)
    return (first, *others.values())


def _plain_words(view: View) -> View:
    for undo in (unescape_values, close_letters, latinize, unleet, part_words):
        view = undo(view)
    return view


def _plain_characters(view: View) -> View:
    text = view.text
    if b"\0" not in shape(text) if text.isascii() else _UNUSUAL.isdisjoint(set(text)):
        return view
    return unmix(unmark(undress(reveal(view))))


def decoded(view: View, check: Check = unchecked) -> Sequence[View]:
    """
    What encoded stretches of the text say, a view each, normalized; none for ordinary text. See `decode`.

    Raises:
        ViewError: if that is more than a small multiple of the text.
    """
    surface = [_plain_characters(view)]
    if surface[0] is not view and (shown := visible(view)) is not view:
        other = _plain_characters(shown)
        surface += [other] if other.text != surface[0].text else []
    views = []
    for found in decode(surface, check):
        check()
        views.append(_plain_words(_plain_characters(found)))
    return views


VIEWS: Mapping[str, Derive] = MappingProxyType({"raw": raw, "normalized": normalized, "decoded": decoded})
"""The name of each derivation, as needs and findings spell it."""
