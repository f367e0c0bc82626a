"""Injection rows that say almost what an earlier one says. Training keeps them: the ablations show no gain without."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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


def shingles(text: str, size: int = 8) -> set[int]:
    """Hashes of all runs of *size* words."""
    words = re.findall(r"\w+", text.lower())
    return {crc32(" ".join(words[i : i + size]).encode()) for i in range(max(1, len(words) - size + 1))}
