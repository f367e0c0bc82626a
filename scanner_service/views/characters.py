"""Characters that cannot be seen, and whether they have any business where they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from scanner_service.text import Span

ZERO_WIDTH_SPACE, NON_JOINER, JOINER = "\u200b", "\u200c", "\u200d"
SOFT_HYPHEN, BYTE_ORDER_MARK = "\u00ad", "\ufeff"

CONTROLS = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
TAGS = "\U000e0000-\U000e007f"
SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
BLANKS = "\u115f\u1160\u2800\u3164\uffa0"

# Unicode's Default_Ignorable_Code_Point, and what else leaves no ink: controls, annotations, blank letters.
INVISIBLE = (
    f"{CONTROLS}{TAGS}{SELECTORS}{DIRECTIONS}{BLANKS}"
    "\u00ad\u034f\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"
)


def members(ranges: str) -> frozenset[str]:
    """The characters of *ranges*, which are written as in a regular expression: `a-cx` is a, b, c and x."""
    ends = re.findall("(.)(?:-(.))?", ranges, re.DOTALL)
    return frozenset(chr(code) for first, last in ends for code in range(ord(first), ord(last or first) + 1))


# What a terminal obeys and does not show: colours and movements (CSI), titles and links (OSC). Longer ones are none,
# and without a number only those that logs use: else a text could be spelled in the letters that end them.
CONTROL_SEQUENCE = "(?:[HJKm]|[0-?]{1,64}[ -/]{0,4}[@-~])"
_CSI = f"(?:\x1b\\[|\x9b){CONTROL_SEQUENCE}"
_OSC = f"(?:\x1b\\]|\x9d)[^{INVISIBLE}\r\n]{{0,1000}}(?:\x07|\x1b\\\\|\x9c)"

_RUN = re.compile(f"(?:{_CSI}|{_OSC}|[{INVISIBLE}])++")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
# Scripts whose letters join or stack: Arabic, Syriac, N'Ko, those of India and South East Asia, Tibetan, Mongolian.
_JOINING = re.compile(
    "[\u0600-\u08ff\u0900-\u109f\u1780-\u18af\u1900-\u1aaf\u1b00-\u1bff\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc]"
)
# Scripts without spaces, where a zero-width space parts words: Thai, Lao, Tibetan, Burmese, Khmer.
_UNSPACED = re.compile("[\u0e00-\u109f\u1780-\u17ff\u1950-\u19ff\ua9e0-\uaa7f]")
_EMOJI = re.compile("[\u00a9\u00ae\u203c\u2049\u2100-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]")
_IDEOGRAPH = re.compile("[\u2200-\u22ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_BLACK_FLAG = "\U0001f3f4"
_EMOJI_SELECTORS = frozenset("\ufe0e\ufe0f")
_KEYS = frozenset("0123456789#*")
_BLANKS = frozenset(BLANKS)  # letters to Unicode, nothing to the eye
_OVERRIDES = frozenset("\u202d\u202e")
_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MONGOLIAN = re.compile("[\u1800-\u18af]")
# The only flags made of tags that are recommended for interchange: England, Scotland, Wales.
_FLAGS = tuple(
    "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f" for region in ("gbeng", "gbsct", "gbwls")
)


def invisible_runs(text: str, *, soft_hyphens: bool = False) -> Iterator[Span]:
    """
    Each run of invisible characters of *text* that have no business where they stand, in order.

    In their place, and so left out: joiners inside emoji and inside words of scripts that join their letters,
    a variation selector after a character that has variations, direction marks in text with letters written from
    the right (overrides excepted), zero-width spaces between words of scripts without spaces, a soft hyphen where
    a word may break, a byte order mark at the very start, and the tags in the flags of England, Scotland and Wales.

    A control sequence of a terminal, such as the one before coloured text, belongs to its run as a whole.

    Args:
        text: what to look through; the time is linear in its length.
        soft_hyphens: whether to report soft hyphens wherever they stand.
    """
    from_right: bool | None = None
    for run in _RUN.finditer(text):
        start = at = run.start()
        if from_right is None:
            from_right = _RIGHT_TO_LEFT.search(text) is not None
        while at < run.end():
            skip = _in_place(text, at, from_right=from_right)
            if not skip or (soft_hyphens and text[at] == SOFT_HYPHEN):
                at += 1
                continue
            if start < at:
                yield Span(start, at)
            start = at = at + skip
        if start < at:
            yield Span(start, at)


def _in_place(text: str, at: int, *, from_right: bool) -> int:
    """How many characters of *text* from *at* on are in their place: 0 or 1, or those of a whole flag."""
    character = text[at]
    before = text[at - 1] if at else ""
    after = text[at + 1] if at + 1 < len(text) else ""
    if before == _BLACK_FLAG and text.startswith(_FLAGS, at):
        return len(_FLAGS[0])
    rule = _RULES.get(character)
    if rule is not None:
        return int(rule(text, at, before, after))
    return int(from_right and character in _DIRECTION_MARKS and _directs(character, before, after))


def _starts(_text: str, at: int, _before: str, _after: str) -> bool:
    return at == 0


def _hyphenates(text: str, at: int, _before: str, _after: str) -> bool:
    before, after = text[max(at - 2, 0) : at], text[at + 1 : at + 3]
    return len(before) == len(after) == 2 and (before + after).isalpha() and _BLANKS.isdisjoint(before + after)


def _parts_words(_text: str, _at: int, before: str, after: str) -> bool:
    return bool(_UNSPACED.match(before) or _UNSPACED.match(after))


def _keeps_apart(_text: str, _at: int, before: str, _after: str) -> bool:
    return _JOINING.match(before) is not None


def _joins(_text: str, _at: int, before: str, after: str) -> bool:
    emoji = before in _EMOJI_SELECTORS or _EMOJI.match(before)
    return _JOINING.match(before) is not None or bool(emoji and _EMOJI.match(after))


def _selects_letter(_text: str, _at: int, before: str, _after: str) -> bool:
    return _MONGOLIAN.match(before) is not None


def _selects_emoji(_text: str, _at: int, before: str, after: str) -> bool:
    return _EMOJI.match(before) is not None or (before in _KEYS and after == "\u20e3")


def _selects_ideograph(_text: str, _at: int, before: str, _after: str) -> bool:
    return _IDEOGRAPH.match(before) is not None


def _directs(character: str, before: str, after: str) -> bool:
    if before in _DIRECTION_MARKS or character in _OVERRIDES:
        return False
    return not (before.isascii() and before.isalnum() and after.isascii() and after.isalnum())


# Whether a character is in its place, by the text, its index and its neighbours.
_RULES: Mapping[str, Callable[[str, int, str, str], bool]] = {
    **dict.fromkeys(members(SELECTORS), _selects_ideograph),
    **dict.fromkeys(_EMOJI_SELECTORS, _selects_emoji),
    **dict.fromkeys(members("\u180b-\u180f"), _selects_letter),
    BYTE_ORDER_MARK: _starts,
    SOFT_HYPHEN: _hyphenates,
    ZERO_WIDTH_SPACE: _parts_words,
    NON_JOINER: _keeps_apart,
    JOINER: _joins,
}
