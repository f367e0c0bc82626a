"""Words cut in two by what a reader does not see: mark-up of letters, comments, joined strings of a program."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner_service.text import Span, View
from scanner_service.views.context import in_context, neighbours
from scanner_service.views.words import is_common

_INLINE = "a|abbr|b|bdi|big|code|del|em|font|i|ins|kbd|mark|q|s|small|span|strong|sub|sup|tt|u|var|wbr"
_CUT = re.compile(
    rf"(?:</?(?:{_INLINE})(?:\s[^<>]{{0,80}})?/?>|<!--[^<>]{{0,80}}-->){{1,8}}+|['\"]\s{{0,4}}\+\s{{0,4}}['\"]",
    re.IGNORECASE,
)
_WORD = re.compile(rf"(?<![A-Za-z])[A-Za-z]++(?:(?:{_CUT.pattern})[A-Za-z]++)++", re.IGNORECASE)
# Shorter words come about by chance, and so does one cut: a stressed syllable, a name that a program puts together.
_TELLING = 4
_FEWEST_TELLING = 2


def join_stretches(view: View) -> Iterator[View]:
    """Each stretch of *view* in which common words are cut, `Ig<b></b>nore` or `'ig' + 'nore'`, without what cuts."""
    text = view.text
    if "<" not in text and "+" not in text:
        return
    words = [word.span() for word in _WORD.finditer(text) if _is_telling(_CUT.sub("", word[0]))]
    telling = {cut.span() for word in words for cut in _CUT.finditer(text, *word)}
    for group in neighbours([(Span(*cut.span()), "") for cut in _CUT.finditer(text)] if telling else []):
        if sum((cut.start, cut.end) in telling for cut, _ in group) >= _FEWEST_TELLING:
            yield in_context(view, group)


def _is_telling(word: str) -> bool:
    """Whether who cut *word* knew what it says."""
    return len(word) >= _TELLING and is_common(word)
