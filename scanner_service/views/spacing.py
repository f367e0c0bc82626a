"""Words whose letters are spaced out, and words run together without spaces."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from unicodedata import category

from scanner_service.text import Span, View
from scanner_service.views.leet import plain_letters
from scanner_service.views.lookalikes import plain_latin
from scanner_service.views.shape import caseless, shape, word_shape
from scanner_service.views.words import is_common, passages, reads_well, segment, surprise

# Letters to Unicode, signs to the eye: the marks of stress and length, and others beside a letter.
_MODIFIERS = "\u02b9-\u02d1\u02ec\u02ee"
_LETTER = rf"[^\W_{_MODIFIERS}]"
# White space, punctuation, symbols and emoji; not the marks that belong to letters.
_SIGNS = re.escape("".join(sign for sign in map(chr, range(0x10000)) if category(sign)[0] in "PSZ"))
_GAP = rf"[\s{_SIGNS}{_MODIFIERS}\xad\u2010-\u2bff\ufe0f\U0001f000-\U0001faff]"
_WIDEST = 64
_SPACED = re.compile(rf"(?<!{_LETTER}){_LETTER}(?:{_GAP}{{1,{_WIDEST}}}+{_LETTER}){{3,}}(?!{_LETTER})")
_SINGLES = re.compile(rb" a {1,%d}a " % _WIDEST)
_LETTERS = re.compile(_LETTER)
# Spaced-out letters that spell no more than this may be an acronym.
_SHORTEST_SPACED = 6
_SPACED_SURPRISE = 2.4
# Letters of another script that are closed up without a word list to hold them against.
_SHORTEST_FOREIGN = 12

# Words run together, measured on prompts: fewer letters or words are seldom more than a compound, or with capitals
# the name of something in a program, and more surprise comes from splinters of words that are not in the list.
_SHORTEST_SOLID = 16
_FEW_WORDS, _SOLID_SURPRISE = 3, 1.9
_MANY_WORDS, _PASSAGE_SURPRISE = 5, 2.4
_FEWEST_HUMPS, _HUMP_SURPRISE = 4, 1.6
_PATIENCE = 30.0
_SOLID_SHAPE = b"a" * _SHORTEST_SOLID
_SOLID = re.compile(rf"[A-Za-z]{{{_SHORTEST_SOLID},}}+")

# Whoever leaves out the spaces of one sentence and has next to none elsewhere left them out everywhere: then shorter
# runs are parted too. Prose has one in five or six characters.
_SHORTEST_BESIDE = 6
_CHARACTERS_PER_SPACE = 24
_BESIDE = re.compile(rf"[A-Za-z]{{{_SHORTEST_BESIDE},}}+")

# Words joined by signs: shorter ones are state-of-the-art, and those beside a slash are parts of an address.
_SHORTEST_CHAIN = 28
_FEWEST_LINKS = 3
_LINK_SHAPE = b"a-a"
_CHAIN = re.compile(rf"(?<![\w/.=-])[A-Za-z]++(?:[-_+*~=][A-Za-z]++){{{_FEWEST_LINKS},}}+")
_JOINER = re.compile("[-_+*~=]")


def close_letters(view: View) -> View:
    """
    *view* with spaced-out words closed up: `i g n o r e`, `i.g.n.o.r.e a.l.l`, `i-g-n-o-r-e`.

    Where the gaps between words differ from those between letters they become the spaces; otherwise the words are
    found by segmentation. What spells no words, such as `a, b, c, d`, stays as it is.
    """
    text = view.text
    # Outside ASCII a letter has the shape of a gap, and is looked at closely.
    if text.isascii() and not _SINGLES.search(word_shape(shape(text))):
        return view
    return view.rewrite(edit for run in _SPACED.finditer(text) for edit in _closed(run[0], run.start()))


def _closed(run: str, start: int) -> Iterator[tuple[Span, str]]:
    """The edits that close up what *run*, which begins at *start*, spells."""
    at = [letter.start() for letter in _LETTERS.finditer(run)]
    gaps = [run[left + 1 : right] for left, right in pairwise(at)]
    words = _spelled("".join(run[index] for index in at), gaps)
    ends = [0, *accumulate(map(len, words))]
    gains = (_SPACED_SURPRISE * len(word) - surprise(word) if word.isascii() else len(word) for word in words)
    for first, last, _ in passages(gains, _PATIENCE):
        if ends[last] - ends[first] >= _SHORTEST_SPACED:
            between = set(ends[first:last])
            for number in range(ends[first] + 1, ends[last]):
                yield Span(start + at[number - 1] + 1, start + at[number]), " " if number in between else ""


def _spelled(letters: str, gaps: Sequence[str]) -> list[str]:
    """The words that *letters* are likely to spell, given the gaps between them; none if they cannot."""
    usual = Counter(gaps).most_common(1)[0][0]
    cuts = [0, *(number for number, gap in enumerate(gaps, 1) if gap != usual), len(letters)]
    plain = plain_letters(plain_latin(letters))
    if not plain.isascii():
        foreign = len(letters) >= _SHORTEST_FOREIGN and letters.isalpha() and list(letters) != sorted(letters)
        return [letters[start:end] for start, end in pairwise(cuts)] if foreign else []
    if 2 * sum(map(str.isalpha, letters)) < len(letters):
        return []
    by_gaps = [word for start, end in pairwise(cuts) for word in _words(plain[start:end])]
    return by_gaps if reads_well(by_gaps, _SPACED_SURPRISE) else segment(plain)


def _words(letters: str) -> list[str]:
    return [letters] if is_common(letters) else segment(letters)


def part_words(view: View) -> View:
    """
    *view* with spaces between words that were run together: `ignoreallprevious`, `IgnoreAllPrevious`, `ignore_all_…`.

    Only where three words or more, of sixteen letters or more, are common ones; it takes four with capitals or signs
    between them, because such are the names in programs. Where that is so in a text with next to no spaces, two words
    of six letters are enough.
    """
    outline = caseless(shape(view.text))
    if outline.count(_LINK_SHAPE) >= _FEWEST_LINKS:
        view = view.rewrite(
            edit for chain in _CHAIN.finditer(view.text) for edit in _unchained(chain[0], chain.start())
        )
    if _SOLID_SHAPE in outline and (edits := list(_parted(view.text, _SOLID, _is_meant))):
        if _CHARACTERS_PER_SPACE * len(view.text.split()) < len(view.text):
            edits = list(_parted(view.text, _BESIDE, _is_meant_beside))
        view = view.rewrite(edits)
    return view


def _parted(text: str, runs: re.Pattern[str], is_meant: Callable[[Sequence[str]], bool]) -> Iterator[tuple[Span, str]]:
    """The spaces between the words that are run together in *text*."""
    for run in runs.finditer(text):
        if not is_common(run[0]):
            yield from _parts(run[0], run.start(), is_meant)


def _parts(run: str, start: int, is_meant: Callable[[Sequence[str]], bool]) -> Iterator[tuple[Span, str]]:
    words = segment(run)
    ends = [start + length for length in accumulate(map(len, words))]
    gains = (_PASSAGE_SURPRISE * len(word) - surprise(word) for word in words)
    for first, last, _ in passages(gains, _PATIENCE):
        if is_meant(words[first:last]):
            yield from ((Span(end, end), " ") for end in ends[max(first - 1, 0) : last] if end < start + len(run))


def _is_meant(words: Sequence[str]) -> bool:
    """Whether whoever ran *words* together wrote a sentence and no compound or name."""
    if sum(map(len, words)) < _SHORTEST_SOLID:
        return False
    if any(word[0].isupper() for word in words[1:]):
        return len(words) >= _FEWEST_HUMPS and reads_well(words, _HUMP_SURPRISE)
    return len(words) >= _MANY_WORDS or (len(words) >= _FEW_WORDS and reads_well(words, _SOLID_SURPRISE))


def _is_meant_beside(words: Sequence[str]) -> bool:
    """The same where the sentences around them are run together."""
    enough = len(words) > 1 and sum(map(len, words)) >= _SHORTEST_BESIDE
    return _is_meant(words) or (enough and reads_well(words, _SOLID_SURPRISE))


def _unchained(chain: str, start: int) -> Iterator[tuple[Span, str]]:
    if len(chain) >= _SHORTEST_CHAIN and reads_well(_JOINER.split(chain), _SPACED_SURPRISE):
        for joiner in _JOINER.finditer(chain):
            yield Span(start + joiner.start(), start + joiner.end()), " "
