"""Text in base64 and base32, in one piece or over several lines."""

from __future__ import annotations

import re
from base64 import b32decode, b64decode
from collections.abc import Iterator, Sequence
from itertools import chain, repeat

from scanner_service.text import Span
from scanner_service.views.legible import is_whole, said_by

SHORTEST = 16
"""Fewer digits than these are taken for a word."""

# What quotes, joins or comments out the lines of base64, beside white space, which programs write as `\n`.
_BETWEEN = r"(?:[\s>\"'+,|#*\\]|(?<=\\)[nrt]){0,8}"
# At the start of a line, before a piece of base64: `2: `, `(2) `, `part2=`, `"part_2": "`.
_NUMBERED = r"\n[\s\"'(\[]{0,8}[A-Za-z]{0,12}[ _-]?[0-9]{1,4}[\])\"']{0,2}[ \t]?[:=.)|]?[ \t\"']{0,4}"
_GAP = re.compile(rf"{_BETWEEN}(?:{_NUMBERED})?")
# The part of it that could be base64 itself. No line of base64 is so short and goes on behind such a sign.
_LABEL = re.compile(
    r"[A-Za-z]{1,10}[_-]?[0-9]{1,3}[\])\"']{0,2}[ \t]?[:=.)][ \t\"']{0,4}(?=[\w+/-]{2,7}=|[\w+/-]{8})", re.ASCII
)

_TOKEN = re.compile(r"(?!(?<=\\)[nrt])[A-Za-z0-9+/_-]{2,}+={0,6}")
# What a token of base64 is least likely to be.
_PLAIN = re.compile(r"[A-Z]?[a-z]+|[A-Z]{1,15}|[0-9]+|[-_/+]+")
_BASE32 = re.compile(r"[A-Z2-7]+|[a-z2-7]+")
_URL_SAFE = str.maketrans("-_", "+/")


def base64_stretches(text: str, others: Sequence[Span] = ()) -> Iterator[tuple[Span, str]]:
    """Each stretch of *text* between *others* that is legible in base64 or base32, and what it says."""
    begins, ends = [0, *(span.end for span in others)], [*(span.start for span in others), len(text)]
    for tokens in chain.from_iterable(map(_token_groups, repeat(text), begins, ends)):
        whole = _base64("".join(token[0] for token in tokens))
        if whole:
            yield Span(tokens[0].start(), tokens[-1].end()), whole
        elif len(tokens) > 1:
            for token in tokens:
                if plain := _base64(token[0]):
                    yield Span(*token.span()), plain


def _token_groups(text: str, start: int, end: int) -> Iterator[Sequence[re.Match[str]]]:
    """Tokens that look coded, those with nothing between them but what parts lines together."""
    group: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text, start, end):
        if _PLAIN.fullmatch(token[0]) or _LABEL.match(text, token.start()):
            continue
        if group and ("=" in group[-1][0] or not _GAP.fullmatch(text, group[-1].end(), token.start())):
            yield group
            group = []
        group.append(token)
    if group:
        yield group


def _base64(written: str) -> str | None:
    """What *written* says in base64 or base32, though a few characters before it may shift it."""
    digits = written.rstrip("=")
    if len(digits) < SHORTEST:
        return None
    if _BASE32.fullmatch(digits) and (plain := said_by(_base32_bytes(digits.upper()))):
        return plain
    digits = digits.translate(_URL_SAFE)
    found = []
    for shift in range(4):
        data = _base64_bytes(digits[shift:])
        if plain := said_by(data):
            if is_whole(plain, data):
                return plain
            found.append(plain)
    # One piece may have shifted another: what is text in part hides nothing that is text in another part.
    return "\n".join(found) or None


def _base64_bytes(digits: str) -> bytes:
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    return b64decode(digits + "=" * (-len(digits) % 4))


def _base32_bytes(digits: str) -> bytes:
    # Of eight digits 1, 3 or 6 cannot be left over.
    digits = digits[: len(digits) - (len(digits) % 8 in (1, 3, 6))]
    return b32decode(digits + "=" * (-len(digits) % 8))
