"""Common words, and how to find them in letters that were written without spaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from math import log

COMMON: dict[str, int] = {
    word: rank
    for rank, word in enumerate(
        line
        for line in files("scanner_service").joinpath("data/words.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    )
}
"""Common English words in lower case, each with its rank: 0 is the most frequent."""

LONGEST = max(map(len, COMMON))

# The cost of a word is its surprise if words follow Zipf's law: the logarithm of its rank and of the normalizer.
_COST = {word: log((rank + 20) * log(len(COMMON))) for word, rank in COMMON.items()}
_UNKNOWN_LETTER = 12.0
_PREFIX = 3


def _reach() -> dict[str, int]:
    """For the first letters of each word the length of the longest word that begins so."""
    reach: dict[str, int] = {}
    for word in COMMON:
        reach[word[:_PREFIX]] = max(reach.get(word[:_PREFIX], 0), len(word))
    return reach


_REACH = _reach()


def is_common(word: str) -> bool:
    """Whether *word*, in any case, is in the word list."""
    return word.lower() in COMMON


def segment(letters: str) -> list[str]:
    """
    The likeliest way to cut *letters* into common words; a letter that fits in no word stands alone.

    A unigram model solved by dynamic programming. The time is linear in the number of letters, because no word
    is longer than `LONGEST`.
    """
    lower = letters.lower()
    best = [0.0] + [float("inf")] * len(lower)
    begin = [0] * (len(lower) + 1)
    for start in range(len(lower)):
        so_far = best[start]
        if so_far + _UNKNOWN_LETTER < best[start + 1]:
            best[start + 1], begin[start + 1] = so_far + _UNKNOWN_LETTER, start
        reach = _REACH.get(lower[start : start + _PREFIX], _PREFIX - 1)
        for end in range(start + 1, min(start + reach, len(lower)) + 1):
            cost = _COST.get(lower[start:end])
            if cost is not None and so_far + cost < best[end]:
                best[end], begin[end] = so_far + cost, start
    words: list[str] = []
    at = len(lower)
    while at:
        words.append(letters[begin[at] : at])
        at = begin[at]
    return words[::-1]


def surprise(word: str) -> float:
    """How unexpected *word* is, in nats: low for frequent words, high for what is no common word at all."""
    return _COST.get(word.lower(), _UNKNOWN_LETTER * len(word))


def reads_well(words: Sequence[str], nats_per_letter: float) -> bool:
    """
    Whether *words*, found by `segment`, are likely to be meant.

    Prose costs about 1.5 nats a letter; splinters of foreign or rare words cost more than 2.
    """
    return sum(map(surprise, words)) <= nats_per_letter * sum(map(len, words))


def passages(gains: Iterable[float], patience: float) -> Iterator[tuple[int, int, float]]:
    """
    Stretches of a sequence in which gains prevail: first index, index after the last, and their sum.

    A stretch ends where its sum has fallen by *patience* below its highest, or to nothing. One pass.
    """
    start = end = 0
    total = best = 0.0
    at = 0
    for at, gain in enumerate(gains, 1):
        total += gain
        if total > best:
            best, end = total, at
        if total <= 0 or total < best - patience:
            if best > 0:
                yield start, end, best
            start, total, best = at, 0.0, 0.0
    if best > 0:
        yield start, end, best
