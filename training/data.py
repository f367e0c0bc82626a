"""Stage `data`: the rows of every source, filtered by licence, deduplicated, split by whole sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from training.rows import Row, parse, read_lines, write_rows
from training.sources import Source, Split

MAX_CHARS = 8_000


def run(data: Path, work: Path, split: Split) -> dict[str, int]:
    """Writes `train.jsonl.gz` and `unseen.jsonl.gz` to `rows` below `work`; returns the row counts."""
    train = distinct(row for source in split.train for row in load(data, source, split, unseen=False))
    unseen = (row for source in split.unseen for row in load(data, source, split, unseen=True))
    return {
        "train": write_rows(work / "rows" / "train.jsonl.gz", train),
        "unseen": write_rows(work / "rows" / "unseen.jsonl.gz", unseen),
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


def distinct(rows: Iterable[Row]) -> Iterator[Row]:
    """Each text once per task."""
    seen: set[tuple[type[Row], str]] = set()
    for row in rows:
        key = (type(row), fingerprint(row.text))
        if key not in seen:
            seen.add(key)
            yield row
