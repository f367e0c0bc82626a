"""
Texts that say almost what others say.

Among injection rows, training keeps them: the ablations show no gain without. Of what is measured with, the card tells
them apart.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from zlib import crc32

from training.rows import Attack, Row


def without(rows: Iterable[Row], sketch: int = 8, shared: int = 6) -> Iterator[Row]:
    """The rows less those that share *shared* of the *sketch* smallest hashes of their wording with an earlier one."""
    near: dict[int, list[frozenset[int]]] = {}
    for row in rows:
        if isinstance(row, Attack):
            bottom = frozenset(sorted(shingles(row.text))[:sketch])
            candidates = (other for shingle in bottom for other in near.get(shingle, ()))
            if len(bottom) == sketch and any(len(bottom & other) >= shared for other in candidates):
                continue
            for shingle in bottom:
                near.setdefault(shingle, []).append(bottom)
        yield row


def known(texts: Sequence[str], others: Iterable[str], size: int = 5) -> set[str]:
    """Those of the *texts* of whose wording, in runs of *size* words, more than half stands in one of the *others*."""
    wording = {text: shingles(text, size) for text in texts}
    holding: dict[int, list[str]] = defaultdict(list)
    for text, runs in wording.items():
        for run in runs:
            holding[run].append(text)
    found: set[str] = set()
    for other in others:
        shared = Counter(text for run in shingles(other, size) for text in holding.get(run, ()))
        found.update(text for text, count in shared.items() if count > len(wording[text]) / 2)
    return found


def shingles(text: str, size: int = 8) -> set[int]:
    """Hashes of all runs of *size* words."""
    words = re.findall(r"\w+", text.lower())
    return {crc32(" ".join(words[i : i + size]).encode()) for i in range(max(1, len(words) - size + 1))}
