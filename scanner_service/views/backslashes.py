"""Backslashes that part a value for nobody but a program: Markdown's before punctuation, and escaped colours."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner_service.text import Span, View
from scanner_service.views.characters import CONTROL_SEQUENCE

_COLOUR = re.compile(rf"\\(?:u001[bB]|x1[bB]|033)\[{CONTROL_SEQUENCE}")
_SIGNS = "-_.@+=~*#/"
_ESCAPE = re.compile(rf"\\(?<=[\w.@+-]\\)(?=[{_SIGNS}])")
_VALUE = re.compile(rf"(?<![\w.@+-])[\w.@+-]++(?:\\[{_SIGNS}][\w.@+-]*+)++")
# Names in prose, paths and formulas have no digits or are shorter than a number that matters.
_SHORTEST = 9
_TELLING = re.compile("[0-9@]")


def unescape_values(view: View) -> View:
    r"""*view* without the backslashes of `412\-55\-9876`, `jane\_doe@example.com` and `\u001b[32m`, colour and all."""
    if "\\" not in view.text:
        return view
    view = view.rewrite((Span(*colour.span()), "") for colour in _COLOUR.finditer(view.text))
    return view if _ESCAPE.search(view.text) is None else view.rewrite(_escapes(view.text))


def _escapes(text: str) -> Iterator[tuple[Span, str]]:
    for value in _VALUE.finditer(text):
        if len(value[0]) >= _SHORTEST and _TELLING.search(value[0]):
            for escape in _ESCAPE.finditer(text, *value.span()):
                yield Span(*escape.span()), ""
