"""Text written as numbers or signs: base64, base32, hexadecimal, binary, character codes, Morse, Braille, spelling."""

from __future__ import annotations

import re
from base64 import b32decode, b64decode
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from string import ascii_lowercase
from sys import maxunicode

from scanner_service.text import Span, View
from scanner_service.views.legible import has_token, is_sure, is_whole, is_wordy, legible, legible_part, speaks
from scanner_service.views.shape import shape, word_shape
from scanner_service.views.spacing import close_letters

_SHORTEST = 16
_RUN_SHAPE = b"a" * _SHORTEST
_PAIR_SHAPES = (b" aa aa aa aa ", b" aa  aa  aa  aa ", b" aa    aa    aa    aa ")
_CODE_SHAPES = (b"0 0", b"0  0", b"0   0", b"0    0")
_FEWEST_CODES = 3
_BIT_SHAPES = (b"0000000", b"0000 0000 0000")
_HUMP_SHAPES = (b"aA", b"0A")
_FEWEST_HUMPS = 2
_OCTAL = re.compile("[0-3]?[0-7]{1,2}")
_DIGITS_AS_LETTERS = bytes.maketrans(b"0", b"a")
# What quotes, joins or comments out the lines of base64, beside white space.
_BETWEEN = r"[\s>\"'+,|#*\\]{0,8}"
# At the start of a line, before a piece of base64: `2: `, `(2) `, `part2=`, `"part_2": "`.
_NUMBERED = r"\n[\s\"'(\[]{0,8}[A-Za-z]{0,12}[ _-]?[0-9]{1,4}[\])\"']{0,2}[ \t]?[:=.)|]?[ \t\"']{0,4}"
_GAP = re.compile(rf"{_BETWEEN}(?:{_NUMBERED})?")
# The part of it that could be base64 itself. No line of base64 is so short and goes on behind such a sign.
_LABEL = re.compile(
    r"[A-Za-z]{1,10}[_-]?[0-9]{1,3}[\])\"']{0,2}[ \t]?[:=.)][ \t\"']{0,4}(?=[\w+/-]{2,7}=|[\w+/-]{8})", re.ASCII
)
_SEPARATORS = " \t\r\n,;:-|./_'\""
_SEPARATOR = r"[\s,;:|./_'\"-]"

_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{2,}+={0,6}")
# What a token of base64 is least likely to be.
_PLAIN = re.compile(r"[A-Z]?[a-z]+|[A-Z]{1,15}|[0-9]+|[-_/+]+")
_BASE32 = re.compile(r"[A-Z2-7]+|[a-z2-7]+")
_URL_SAFE = str.maketrans("-_", "+/")

_HEX = re.compile(rf"(?<![0-9A-Za-z])(?:(?:0[xX])?[0-9A-Fa-f]{{2}}{_SEPARATOR}{{0,4}}+){{8,}}+")
# Between the figures of a table too, and these do not have to be words.
_AMBIGUOUS = re.compile(r"[|./_'\"]")
_HEX_PAIR = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{2})")
_BINARY = re.compile(rf"(?<![0-9])(?:(?:0[bB])?[01]{{4,8}}{_SEPARATOR}{{0,4}}+){{3,}}+")
_BITS = re.compile(r"(?:0[bB])?([01]+)")
_DECIMAL = re.compile(rf"(?<![0-9])(?:(?:0[oO])?[0-9]{{2,3}}{_SEPARATOR}{{1,4}}+){{7,}}+(?:0[oO])?[0-9]{{0,3}}")
_PLACES = re.compile(r"(?<![0-9A-Za-z.])(?:[1-9][0-9]?[-\s,/|]{1,3}+){7,}+(?:[1-9][0-9]?(?![0-9A-Za-z]))?")
_NUMBER = re.compile("[0-9]+")
_CODE = "(?:0x|&h)[0-9a-f]{1,8}|0o[0-7]{1,8}|[0-9]{1,8}"
# `chr(73)` of Python, PHP and Basic, `CHAR(73)` of SQL, `String.fromCharCode(73)`, `(char)73`.
_CALL = (
    r"(?:\b(?:string\.from(?:charcode|codepoint)|n?char|(?:uni)?chr[wb]?)\s{0,4}\(|\(?char\))"
    rf"\s{{0,4}}(?:{_CODE})&?\s{{0,4}}\)?"
)
_CALLS = re.compile(rf"{_CALL}(?:[\s,;.+&|_\"'()]{{0,12}}+{_CALL}){{6,}}+", re.IGNORECASE)
_FEWEST_CALLS = 7
_CALLED = re.compile(rf"[(\s)]({_CODE})", re.IGNORECASE)
_MORSE = re.compile(r"(?<![^\s/|])(?:[.·•_–—−-]{1,6}+[ /|\n]{1,5}+){5,}+[.·•_–—−-]{0,6}+")
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
_BRAILLE = re.compile("(?<![\u2801-\u28ff])(?:[\u2801-\u28ff]++\\s{0,3}+){2,}+")
_BRAILLE_LETTER = str.maketrans(
    dict(zip("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵", ascii_lowercase, strict=True))
    | dict.fromkeys("⠠⠼", "")  # the signs before a capital and a number
)
_SPELLING = (
    "alfa|alpha|bravo|charlie|delta|echo|foxtrot|golf|hotel|india|juliett?|kilo|lima|mike|november|oscar|papa|quebec|"
    "romeo|sierra|tango|uniform|victor|whiske?y|x-?ray|yankee|zulu"
)
_SPELLED = re.compile(rf"(?<!\w)(?:(?:{_SPELLING})(?!\w)\W{{1,5}}+){{7,}}+(?:(?:{_SPELLING})(?!\w))?", re.IGNORECASE)
# No long text is spelled without two of these vowels.
_TELLING_SPELLED = ("alfa", "alpha", "echo", "india", "oscar")
_FEWEST_SPELLED = 2
_SPELLED_WORD = re.compile(r"[A-Za-z](?:-?[A-Za-z])+")


def decode_stretches(text: str) -> Iterator[tuple[Span, str]]:
    """Each stretch of *text* that encodes something legible, and what it says; stretches do not overlap."""
    end = 0
    found = chain(_numbers(text), _signs(text))
    for span, plain in sorted(found, key=lambda found: (found[0].start, -found[0].end)):
        if span.start >= end:
            end = span.end
            yield span, plain


def _numbers(text: str) -> Iterator[tuple[Span, str]]:
    outline = shape(text)
    words = word_shape(outline)
    solid = words.translate(_DIGITS_AS_LETTERS)
    is_long = _RUN_SHAPE in solid
    if any(bits in words for bits in _BIT_SHAPES):
        yield from _matches(_BINARY, _binary, text)
    if sum(map(words.count, _CODE_SHAPES)) >= _FEWEST_CODES:
        yield from _matches(_DECIMAL, _decimal, text)
        yield from _matches(_PLACES, _places, text)
    if text.count("(") >= _FEWEST_CALLS and any(name in text.lower() for name in ("chr", "char")):
        yield from _matches(_CALLS, _calls, text)
    if is_long or b"0a00" in words or any(pairs in solid for pairs in _PAIR_SHAPES):
        yield from _matches(_HEX, _hex, text)
    if is_long or sum(map(outline.count, _HUMP_SHAPES)) >= _FEWEST_HUMPS:
        yield from _base64_stretches(text)


def _signs(text: str) -> Iterator[tuple[Span, str]]:
    if ".-" in text or "-." in text or any(sign in text for sign in "·•–—−"):
        yield from _matches(_MORSE, _morse, text)
    if not text.isascii():
        yield from _matches(_BRAILLE, _braille, text)
    lower = text.lower()
    if sum(word in lower for word in _TELLING_SPELLED) >= _FEWEST_SPELLED:
        yield from _matches(_SPELLED, _spelled, text)


def _matches(pattern: re.Pattern[str], decode: Callable[[str], str | None], text: str) -> Iterator[tuple[Span, str]]:
    for match in pattern.finditer(text):
        written = match[0].rstrip(_SEPARATORS if pattern is not _MORSE else " /|\n")
        if plain := decode(written):
            yield Span(match.start(), match.start() + len(written)), plain


def _binary(written: str) -> str | None:
    groups = _BITS.findall(written)
    if all(len(group) == 7 for group in groups):
        return _said(legible(bytes(int(group, 2) for group in groups)))
    digits = "".join(groups)
    digits = digits[: len(digits) // 8 * 8]
    plain = legible(bytes(int(digits[at : at + 8], 2) for at in range(0, len(digits), 8)))
    return plain if all(len(group) % 8 == 0 for group in groups) else _said(plain)


def _decimal(written: str) -> str | None:
    codes = _NUMBER.findall(written.replace("0o", "").replace("0O", ""))
    plain = _said(legible(bytes(code for code in map(int, codes) if code < 256)))
    if plain is None and all(map(_OCTAL.fullmatch, codes)):
        return _said(legible(bytes(int(code, 8) for code in codes)))
    return plain


def _calls(written: str) -> str | None:
    codes = [_number(code) for code in _CALLED.findall(written)]
    if max(codes) < 256:
        return _said(legible(bytes(codes)))
    return _said(legible_part("".join(chr(code) for code in codes if code <= maxunicode)))


def _number(code: str) -> int:
    """The number that a program writes as *code*."""
    code = code.lower().replace("&h", "0x")
    return int(code, 0 if code[1:2] in ("x", "o") else 10)


def _said(plain: str | None) -> str | None:
    """*plain* if it is no chance."""
    return plain if plain and (speaks(plain) or has_token(plain)) else None


def _text(data: bytes, *, wordy: bool = True) -> str | None:
    """What *data* says if it is no chance: its words tell, or, where *wordy* is enough, the letters among its signs."""
    plain = legible(data)
    if plain and ((wordy and is_wordy(plain)) or is_sure(plain, data)):
        return plain
    return _said(plain)


def _hex(written: str) -> str | None:
    data = bytes.fromhex("".join(_HEX_PAIR.findall(written)))
    return _text(data, wordy=not _AMBIGUOUS.search(written))


def _places(written: str) -> str | None:
    """Letters by their places in the alphabet."""
    numbers = set(map(int, _NUMBER.findall(written)))
    return _closed(_NUMBER.sub(lambda number: chr(96 + int(number[0])), written)) if max(numbers) <= 26 else None


def _spelled(written: str) -> str | None:
    return _closed(_SPELLED_WORD.sub(lambda word: word[0][0], written))


def _closed(letters: str) -> str | None:
    """The words that single *letters* spell, if they do."""
    plain = close_letters(View.identity(letters)).text
    return plain if speaks(plain) else None


def _braille(written: str) -> str | None:
    plain = written.translate(_BRAILLE_LETTER)
    letters = re.sub("[^a-z\\s]", "", plain)
    return letters if speaks(letters) else None


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
    """Tokens that look coded, those with nothing between them but what parts lines together."""
    group: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text):
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
    if len(digits) < _SHORTEST:
        return None
    if _BASE32.fullmatch(digits) and (plain := _text(_base32_bytes(digits.upper()))):
        return plain
    digits = digits.translate(_URL_SAFE)
    found = []
    for shift in range(4):
        data = _base64_bytes(digits[shift:])
        if plain := _text(data):
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
