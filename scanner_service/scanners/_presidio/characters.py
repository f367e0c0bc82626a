"""Characters as the patterns expect them: digits, punctuation and gaps of ASCII, and no escapes between values."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import regex  # type: ignore[import-untyped]

# Of the package `regex`, as the patterns are: it knows digits that came to Unicode after Python's own data.
_DIGIT = regex.compile(r"\d")
_OTHER_DIGIT = regex.compile(r"(?![0-9])\d")
_PLAIN: dict[int, int | str] = {
    **{wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)},  # full-width forms
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63"), "-"),
    **dict.fromkeys(
        map(ord, "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000"), " "
    ),
}

# What strings of JSON and of programs write for an end of line or a tab, strings in strings with more backslashes,
# addresses of the web for a space or a sign. `%40` stays: it is the @ of an e-mail address there.
_END_OF_LINE = re.compile(r"(?<!\\)\\++[nr]")
_ESCAPED_SIGN = re.compile(r"(?<!\\)\\++(?:t|u00[0-7][0-9a-fA-F])|%(?!40)[0-7][0-9a-fA-F]")


def plain(text: str) -> str:
    """
    *text* with the digits of every script, full-width characters, dashes and spaces in ASCII, place for place.

    What is escaped in it, other than letters and digits, is a gap: `\\nann@example.com` in JSON does not begin with n.
    """
    if "\\" in text or "%" in text:
        text = _END_OF_LINE.sub(lambda escape: "\n" * len(escape[0]), text)
        text = _ESCAPED_SIGN.sub(_gap, text)
    if text.isascii():
        return text
    plainer: str = _OTHER_DIGIT.sub(lambda digit: str(_value(digit[0])), text.translate(_PLAIN))
    return plainer


def _gap(escape: re.Match[str]) -> str:
    is_part = escape[0][-1] != "t" and chr(int(escape[0][-2:], 16)).isalnum()
    return escape[0] if is_part else " " * len(escape[0])


@cache
def _value(digit: str) -> int:
    known = unicodedata.decimal(digit, None)
    if known is not None:
        return known
    # Digits come in runs from 0 to 9 (The Unicode Standard, 4.6).
    zero = ord(digit)
    while _DIGIT.match(chr(zero - 1)):
        zero -= 1
    return (ord(digit) - zero) % 10
