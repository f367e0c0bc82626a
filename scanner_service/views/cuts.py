"""Words cut in two by what a reader does not see: mark-up, comments, joined strings of a program, pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner_service.text import Span, View
from scanner_service.views.context import in_context, neighbours
from scanner_service.views.words import is_common

_EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff\ufe0f\u200d"
# So long may be what nobody sees: a comment, the attributes of a tag, the address of a link.
_LONG = "{0,1000}"
_UNSEEN = "script|style|template|noscript"
# None goes on over the beginning of another: however many begin, all are read once.
_MARKUP_COMMENT = rf"<!--(?:[^-<]|-(?!->)|<(?!!--)){_LONG}+-->"
_CODE_COMMENT = rf"/\*(?:[^*/]|\*(?!/)|/(?!\*)){_LONG}+\*/"
_CUT = re.compile(
    # Looking ahead for its first sign first makes the search several times faster.
    rf"(?=[<\[/(){{}}\\*~^`|'\"={_EMOJI}])(?:(?:"
    rf"<(?:{_UNSEEN})(?:\s[^<>]{_LONG})?>[^<>]{_LONG}</(?:{_UNSEEN})>"
    rf"|</?[a-z][\w:.-]{{0,64}}+(?:\s[^<>]{_LONG})?/?>|{_MARKUP_COMMENT}|<[!?][^<>]{_LONG}>|{_CODE_COMMENT}"
    # BBCode, links and pairs around nothing, commands of LaTeX, emphasis and code of Markdown, lines of mail.
    rf"|\[/?[a-z]{{1,16}}(?:=[^\[\]]{_LONG})?\]|\[\]\([^()\s]{_LONG}\)"
    r"|\(\)|\[\]|\{\}|\"\"|''|\}(?:\\[a-z]{2,10}\{)?|\\[a-z]{2,10}\{"
    rf"|[*~^`|]{{1,4}}|=\r?\n|[{_EMOJI}]{{1,8}}){{1,100}}+"
    # Joined strings.
    r"|['\"];?\s{0,4}(?:\w{1,16}\s?\+=|[+.&,|]{1,2})?\s{0,4}['\"])",
    re.IGNORECASE,
)
_GATES = "<*~^`|()[]{}\\\"'="
_WORD = re.compile(rf"(?<![A-Za-z])[A-Za-z]++(?:(?:{_CUT.pattern})[A-Za-z]++)++", re.IGNORECASE)
# Shorter words come about by chance, and so does one cut: a stressed syllable, a name that a program puts together.
_TELLING = 4
_FEWEST_TELLING = 2


def join_stretches(view: View) -> Iterator[View]:
    """Each stretch of *view* in which common words are cut, `Ig<b></b>nore` or `ig**no**re`, without what cuts."""
    text = view.text
    if text.isascii() and not any(gate in text for gate in _GATES):
        return
    words = [word.span() for word in _WORD.finditer(text) if _is_telling(_CUT.sub("", word[0]))]
    telling = {cut.span() for word in words for cut in _CUT.finditer(text, *word)}
    for group in neighbours([(Span(*cut.span()), "") for cut in _CUT.finditer(text)] if telling else []):
        if sum((cut.start, cut.end) in telling for cut, _ in group) >= _FEWEST_TELLING:
            yield in_context(view, group)


def _is_telling(word: str) -> bool:
    """Whether who cut *word* knew what it says."""
    return len(word) >= _TELLING and is_common(word)
