"""Text written as numbers: base64, base32, hexadecimal, binary, character codes, Morse."""

from __future__ import annotations

import re
from base64 import b32decode, b64decode
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from scanner_service.text import Span
from scanner_service.views.legible import has_token, is_wordy, legible, speaks
from scanner_service.views.shape import shape, word_shape

_SHORTEST = 16
_RUN_SHAPE = b"a" * _SHORTEST
_PAIR_SHAPES = (b" aa aa aa aa ", b" aa  aa  aa  aa ")
_HUMP_SHAPES = (b"aA", b"0A")
_FEWEST_HUMPS = 2
_DIGITS_AS_LETTERS = bytes.maketrans(b"0", b"a")
_WIDEST_GAP = 3
_SEPARATORS = " \t\r\n,;:-"

_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{2,}+={0,6}")
# What a token of base64 is least likely to be.
_PLAIN = re.compile(r"[A-Z]?[a-z]+|[A-Z]{1,15}|[0-9]+|[-_/+]+")
_BASE32 = re.compile(r"[A-Z2-7]+")
_URL_SAFE = str.maketrans("-_", "+/")

_HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:0[xX])?[0-9A-Fa-f]{2}[\s,;:-]{0,3}+){8,}+")
_HEX_PAIR = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{2})")
_BINARY = re.compile(r"(?<![0-9])(?:[01]{8}[\s,]{0,3}+){3,}+")
_DECIMAL = re.compile(r"(?<![0-9])(?:[0-9]{2,3}[\s,;]{1,3}+){7,}+[0-9]{0,3}")
_CALLS = re.compile(r"(?:\bchr\([0-9]{2,3}\)[\s,;.+&|]{0,6}+){7,}+", re.IGNORECASE)
_MORSE = re.compile(r"(?<![^\s/|])(?:[.·•_–—−-]{1,6}+[ /|\n]{1,3}+){5,}+[.·•_–—−-]{0,6}+")
_MORSE_LETTER = re.compile(r"([.-]+)|([ ]{2,}|[ ]*[/|\n][ ]*)")
_MORSE_SIGNS = str.maketrans("·•_–—−", "..----")
_MORSE_CODE = dict(
    zip(
        re.findall(
            "[.-]+",
            ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- "
            "--.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.",
        ),
        "abcdefghijklmnopqrstuvwxyz0123456789",
        strict=True,
    )
)


def decode_stretches(text: str) -> Iterator[tuple[Span, str]]:
    """Each stretch of *text* that encodes something legible, and what it says; stretches do not overlap."""
    outline = shape(text)
    words = word_shape(outline)
    solid = words.translate(_DIGITS_AS_LETTERS)
    is_long = _RUN_SHAPE in solid
    kinds: list[Iterator[tuple[Span, str]]] = []
    if b"00000000" in words:
        kinds.append(_matches(_BINARY, _binary, text))
    if b"0 0" in words or b"0  0" in words:
        kinds.append(_matches(_DECIMAL, _decimal, text))
    if "hr(" in text or "HR(" in text:
        kinds.append(_matches(_CALLS, _decimal, text))
    if is_long or b"0a00" in words or any(pairs in solid for pairs in _PAIR_SHAPES):
        kinds.append(_matches(_HEX, _hex, text))
    if ".-" in text or "-." in text or any(sign in text for sign in "·•–—−"):
        kinds.append(_matches(_MORSE, _morse, text))
    if is_long or sum(map(outline.count, _HUMP_SHAPES)) >= _FEWEST_HUMPS:
        kinds.append(_base64_stretches(text))
    end = 0
    for span, plain in sorted(chain(*kinds), key=lambda found: (found[0].start, -found[0].end)):
        if span.start >= end:
            end = span.end
            yield span, plain


def _matches(pattern: re.Pattern[str], decode: Callable[[str], str | None], text: str) -> Iterator[tuple[Span, str]]:
    for match in pattern.finditer(text):
        written = match[0].rstrip(_SEPARATORS if pattern is not _MORSE else " /|\n")
        if plain := decode(written):
            yield Span(match.start(), match.start() + len(written)), plain


def _binary(written: str) -> str | None:
    digits = re.sub("[^01]", "", written)
    return legible(int(digits, 2).to_bytes(len(digits) // 8))


def _decimal(written: str) -> str | None:
    codes = list(map(int, re.findall("[0-9]+", written)))
    plain = legible(bytes(codes)) if max(codes) < 256 else None
    return plain if plain and (speaks(plain) or has_token(plain)) else None


def _hex(written: str) -> str | None:
    plain = legible(bytes.fromhex("".join(_HEX_PAIR.findall(written))))
    return plain if plain and is_wordy(plain) else None


def _morse(written: str) -> str | None:
    signs = written.translate(_MORSE_SIGNS)
    letters = (_MORSE_CODE.get(code, "") if code else " " * bool(gap) for code, gap in _MORSE_LETTER.findall(signs))
    plain = "".join(letters)
    return plain if speaks(plain) else None


def _base64_stretches(text: str) -> Iterator[tuple[Span, str]]:
    for tokens in _token_groups(text):
        whole = _base64("".join(token[0] for token in tokens))
        if whole:
            yield Span(tokens[0].start(), tokens[-1].end()), whole
        elif len(tokens) > 1:
            for token in tokens:
                if plain := _base64(token[0]):
                    yield Span(*token.span()), plain


def _token_groups(text: str) -> Iterator[Sequence[re.Match[str]]]:
    """Tokens that look coded, those with only white space between them together."""
    group: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text):
        if _PLAIN.fullmatch(token[0]):
            continue
        if group and ("=" in group[-1][0] or not _is_narrow_gap(text, group[-1].end(), token.start())):
            yield group
            group = []
        group.append(token)
    if group:
        yield group


def _is_narrow_gap(text: str, start: int, end: int) -> bool:
    return end - start <= _WIDEST_GAP and text[start:end].isspace()


def _base64(written: str) -> str | None:
    """What *written* says in base64 or base32, though a few characters before it may shift it."""
    digits = written.rstrip("=")
    if len(digits) < _SHORTEST:
        return None
    if _BASE32.fullmatch(digits) and (plain := legible(_base32_bytes(digits))) and is_wordy(plain):
        return plain
    digits = digits.translate(_URL_SAFE)
    found = [plain for shift in range(4) if (plain := legible(_base64_bytes(digits[shift:]))) and is_wordy(plain)]
    return max(found, key=len, default=None)


def _base64_bytes(digits: str) -> bytes:
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    return b64decode(digits + "=" * (-len(digits) % 4))


def _base32_bytes(digits: str) -> bytes:
    # Of eight digits 1, 3 or 6 cannot be left over.
    digits = digits[: len(digits) - (len(digits) % 8 in (1, 3, 6))]
    return b32decode(digits + "=" * (-len(digits) % 8))
