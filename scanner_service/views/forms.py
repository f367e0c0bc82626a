"""Letters in fancy dress: full-width, mathematical, circled, squared, made of flags, or under piles of marks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from scanner_service.text import Span, View
from scanner_service.views.characters import INVISIBLE, members
from scanner_service.views.words import is_common

# Characters that Unicode says are a Latin letter in another form. What prose uses as it is stays out: ordinals,
# superscript digits, fractions, trade marks, circled digits, Roman numerals, full-width punctuation and digits.
_DRESSED = (
    "\u017f\u01c4-\u01cc\u01f1-\u01f3\u02b0-\u02b8\u02e0-\u02e4\u1d2c-\u1d6a\u1d9b-\u1dbf\u2071\u207f\u2090-\u209c"
    "\u2102\u210a-\u2113\u2115\u2118-\u211d\u2124\u2128\u212a\u212c-\u2134\u2139\u213c-\u2140\u2145-\u2149"
    "\u249c-\u24e9\u2c7c\u2c7d\ua7f2-\ua7f4\ufb00-\ufb06\U0001d400-\U0001d7ff\U0001f110-\U0001f149"
    "\U0001f150-\U0001f169\U0001f170-\U0001f189"
)
_FULL_WIDTH_LETTERS = "\uff21-\uff3a\uff41-\uff5a"
_FULL_WIDTH_DIGITS = "\uff10-\uff19"
_FULL_WIDTH = "\uff01-\uff5e\u3000"
_FLAG_LETTERS = "\U0001f1e6-\U0001f1ff"
_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20e2\u20e4-\u20f0\ufe20-\ufe2f"
# Those of other living scripts belong on no letter or digit of ASCII. The one missing is the key around a digit.
_FOREIGN_MARKS = frozenset(
    sign for sign in map(chr, range(0x300, 0x10000)) if sign != "\u20e3" and unicodedata.category(sign) in ("Mn", "Me")
).difference(members(_MARKS), members(INVISIBLE))
# Lines through, over, under and around a letter.
_LINES = "\u0305\u0332\u0333\u0334-\u0338\u033f\u0489\u20d2\u20d3\u20d8-\u20e2\u20e4-\u20ef"

UNUSUAL = members(_DRESSED + _FULL_WIDTH_LETTERS + _FULL_WIDTH_DIGITS + _FLAG_LETTERS + _MARKS) | _FOREIGN_MARKS
"""What gives `undress`, `unmark` or `unmix` work to do."""

_DRESS = re.compile(f"(?P<flags>[{_FLAG_LETTERS}]+)|(?P<wide>[{_FULL_WIDTH}]+)|(?P<dressed>[{_DRESSED}])")
_WIDE_LETTER = re.compile(f"[{_FULL_WIDTH_LETTERS}]")
_WORD = re.compile(r"\S+")
_ANY_MARK = re.compile(f"[{_MARKS}]+")
# Three marks on one letter, lines, or marks on four letters of ASCII in a row: no orthography needs them.
_NOISE = re.compile(f"[{_MARKS}]{{3,}}|[{_LINES}]+|(?:[A-Za-z][{_MARKS}]++){{4}}")

# Where one word is noise, two marked letters in a row are too.
_FAINT_NOISE = re.compile(f"{_NOISE.pattern}|(?:[A-Za-z][{_MARKS}]++){{2}}")

# An address, or a run of letters and digits, with what does not belong there.
_ALL_MARKS = _MARKS + "".join(_FOREIGN_MARKS)
_ADDRESS = f"A-Za-z0-9._%+{_ALL_MARKS}-"
_ALNUM = f"A-Za-z0-9{_FULL_WIDTH_DIGITS}"
_VALUE = re.compile(rf"(?<![{_ADDRESS}])[{_ADDRESS}]++@[{_ADDRESS}]++|[{_ALNUM}][{_ALNUM}{_ALL_MARKS}]*+")
_MIXED = re.compile(f"[{_ALL_MARKS}{_FULL_WIDTH_DIGITS}]")
_LETTER, _DIGIT = re.compile("[A-Za-z]"), re.compile("[0-9]")
# Japanese writes full-width digits in short names: PS５.
_SHORTEST_TOKEN = 12

# Fewer letters than this are flags, though they spell a word as well: US, IT.
_SHORTEST_FLAG_WORD = 4

# Where NFKC leaves a letter in its circle or square.
_ENCLOSED = {base + at: chr(65 + at) for base in (0x1F150, 0x1F170, 0x1F1E6) for at in range(26)}

_REGIONS = frozenset(
    re.findall(
        "[A-Z]{2}",
        "AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS "
        "BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CP CR CU CV CW CX CY CZ DE DG DJ DK DM DO DZ EA "
        "EC EE EG EH ER ES ET EU FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY "
        "HK HM HN HR HT HU IC ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA "
        "LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ "
        "NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW "
        "SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO "
        "TR TT TV TW TZ UA UG UM UN US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW ",
    )
)
"""Pairs of letters that are flags: the 258 recommended emoji flag sequences of UTS 51."""


def undress(view: View) -> View:
    """*view* with every dressed letter in its plain form (NFKC, and enclosed letters that NFKC leaves alone)."""
    return view.rewrite(_plain(view.text))


def _plain(text: str) -> Iterator[tuple[Span, str]]:
    for match in _DRESS.finditer(text):
        found = match[0]
        if match.lastgroup == "flags" and _are_flags(found):
            continue
        if match.lastgroup == "wide" and not _WIDE_LETTER.search(found):
            continue
        for at, character in enumerate(found, match.start()):
            if (plain := _plain_letter(character)) != character:
                yield Span(at, at + 1), plain


@cache
def _plain_letter(character: str) -> str:
    plain = _ENCLOSED.get(ord(character)) or unicodedata.normalize("NFKC", character)
    return plain.strip("()") or plain


def _are_flags(letters: str) -> bool:
    plain = letters.translate(_ENCLOSED)
    if len(plain) >= _SHORTEST_FLAG_WORD and is_common(plain):
        return False
    return all(plain[at : at + 2] in _REGIONS for at in range(0, len(plain), 2))


def unmark(view: View) -> View:
    """*view* without the combining marks of words that carry more of them than any orthography does."""
    return view.rewrite(_bare(view.text))


def _bare(text: str) -> Iterator[tuple[Span, str]]:
    if _NOISE.search(text) is None:
        return
    for word in _WORD.finditer(text):
        if _FAINT_NOISE.search(word[0]) is None:
            continue
        for at, character in enumerate(word[0], word.start()):
            if not character.isascii() and (bare := _without_marks(character)) != character:
                yield Span(at, at + 1), bare


@cache
def _without_marks(character: str) -> str:
    """The letter below marks that are composed with it, nothing for a mark, and otherwise *character*."""
    bare = _ANY_MARK.sub("", unicodedata.normalize("NFD", character))
    return bare if len(bare) <= 1 else character


def unmix(view: View) -> View:
    """
    *view* without combining marks in numbers, in runs of letters and digits, and in addresses, nor those of other
    scripts on letters of ASCII; and with digits of ASCII for full-width ones that share a number, or a run of letters
    and digits too long for a name, with those of ASCII.
    """
    return view if _MIXED.search(view.text) is None else view.rewrite(_unmixed(view.text))


def _unmixed(text: str) -> Iterator[tuple[Span, str]]:
    for value in _VALUE.finditer(text):
        letter, digit = _LETTER.search(value[0]), _DIGIT.search(value[0])
        unmarked = digit or "@" in value[0]
        narrowed = len(value[0]) >= _SHORTEST_TOKEN if letter else digit
        for mixed in _MIXED.finditer(text, *value.span()):
            plain = unicodedata.normalize("NFKC", mixed[0]) if mixed[0].isdigit() else ""
            if narrowed if plain else unmarked or mixed[0] in _FOREIGN_MARKS:
                yield Span(*mixed.span()), plain
