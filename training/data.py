"""Stage `data`: the rows of every source, filtered by licence, deduplicated, split by whole sources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from training.rows import Row, parse, read_lines, write_rows
from training.sources import Source, Split, Table, split

MAX_CHARS = 8_000


def run(data: Path, work: Path, chosen: Split) -> dict[str, int]:
    """
    Writes `train.jsonl.gz` and `unseen.jsonl.gz` to `rows` below `work`, and what was chosen; returns the row counts.

    What an unseen source holds is not trained on where another source has it too.
    """
    unseen = [row for source in chosen.unseen for row in load(data, source, chosen, unseen=True)]
    train = (row for source in chosen.train for row in load(data, source, chosen, unseen=False))
    counts = {
        "unseen": write_rows(work / "rows" / "unseen.jsonl.gz", unseen),
        "train": write_rows(work / "rows" / "train.jsonl.gz", distinct(train, unseen)),
    }
    kept = {"licences": sorted(chosen.licences), "held_out": sorted(chosen.held_out)}
    (work / "rows" / "split.json").write_text(json.dumps(kept) + "\n", encoding="utf-8")
    return counts


def split_of(work: Path, table: Table) -> Split:
    """What was chosen from *table* for the rows below *work*."""
    return split(table, **json.loads((work / "rows" / "split.json").read_text(encoding="utf-8")))


def load(data: Path, source: Source, chosen: Split, *, unseen: bool) -> Iterator[Row]:
    """The rows of one file that may be trained on, or, for `unseen`, those that may not."""
    for raw in read_lines(data / f"{source.name}.jsonl.gz"):
        licence = source.licence_of(raw.get("subtype"))
        hidden = licence == "HELD_OUT" or not chosen.admits(source, raw.get("subtype"))
        if hidden == unseen and raw["text"].strip() and len(raw["text"]) <= MAX_CHARS:
            yield parse(source.task, raw)


def fingerprint(text: str) -> str:
    """Equal for texts that differ only in case, spacing, digits and punctuation."""
    return re.sub(r"[\W\d_]+", "", text).lower() or text


def distinct(rows: Iterable[Row], others: Iterable[Row] = ()) -> Iterator[Row]:
    """Each text once per task, and none of the *others*."""
    seen = set(map(_key, others))
    for row in rows:
        key = _key(row)
        if key not in seen:
            seen.add(key)
            yield row


def _key(row: Row) -> tuple[type[Row], str]:
    return type(row), fingerprint(row.text)
