"""Stage `data`: the rows of every source, filtered by licence, deduplicated, split by whole sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from zlib import crc32

from training.rows import Attack, Row, parse, read_lines
from training.sources import Source, Split

MAX_CHARS = 8_000


def run(data: Path, work: Path, split: Split) -> dict[str, int]:
    """
    Writes `train`, `unseen` and `alike` (`.jsonl.gz`) to `rows` below `work`; returns the row counts.

    `alike` are the near-duplicates that are not trained on, for an ablation.
    """
    from training.rows import write_rows

    alike: list[Row] = []
    train = distinct((row for source in split.train for row in load(data, source, split, unseen=False)), alike)
    unseen = (row for source in split.unseen for row in load(data, source, split, unseen=True))
    return {
        "train": write_rows(work / "rows" / "train.jsonl.gz", train),
        "unseen": write_rows(work / "rows" / "unseen.jsonl.gz", unseen),
        "alike": write_rows(work / "rows" / "alike.jsonl.gz", alike),
    }


def load(data: Path, source: Source, split: Split, *, unseen: bool) -> Iterator[Row]:
    """The rows of one file that may be trained on, or, for `unseen`, those that may not."""
    for raw in read_lines(data / f"{source.name}.jsonl.gz"):
        licence = source.licence_of(raw.get("subtype"))
        hidden = licence == "HELD_OUT" or not split.admits(source, raw.get("subtype"))
        if hidden == unseen and raw["text"].strip() and len(raw["text"]) <= MAX_CHARS:
            yield parse(source.task, raw)


def fingerprint(text: str) -> str:
    """Equal for texts that differ only in case, spacing, digits and punctuation."""
    return re.sub(r"[\W\d_]+", "", text).lower() or text


def shingles(text: str, size: int = 8) -> set[int]:
    words = re.findall(r"\w+", text.lower())
    return {crc32(" ".join(words[i : i + size]).encode()) for i in range(max(1, len(words) - size + 1))}


def distinct(rows: Iterable[Row], alike: list[Row], sketch: int = 8, shared: int = 6) -> Iterator[Row]:
    """
    Drops repeated texts per task, and injection rows that share most of a min-hash sketch with an earlier row; those go
    to *alike*.
    """
    seen: set[tuple[type[Row], str]] = set()
    near: dict[int, list[frozenset[int]]] = {}
    for row in rows:
        key = (type(row), fingerprint(row.text))
        if key in seen:
            continue
        seen.add(key)
        if isinstance(row, Attack):
            bottom = frozenset(sorted(shingles(row.text))[:sketch])
            candidates = (other for shingle in bottom for other in near.get(shingle, ()))
            if len(bottom) == sketch and any(len(bottom & other) >= shared for other in candidates):
                alike.append(row)
                continue
            for shingle in bottom:
                near.setdefault(shingle, []).append(bottom)
        yield row
