"""Labelled texts of the three tasks, and the files they are kept in (gzip-compressed JSON Lines)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOXICITY = (
    "TOXICITY",
    "SEVERE_TOXICITY",
    "OBSCENE",
    "THREAT",
    "INSULT",
    "IDENTITY_ATTACK",
    "SEXUAL",
    "SELF_HARM",
    "VIOLENCE",
)
NONE = (0.0,) * len(TOXICITY)  # the labels of a clean text
ENTITIES = ("PERSON", "LOCATION", "ORGANIZATION", "DATE")
TAGS = ("O", *(f"{prefix}-{entity}" for entity in ENTITIES for prefix in "BI"))


@dataclass(frozen=True, slots=True)
class Attack:
    """A text for the injection head. `span` says where the attack stands, when that is known (characters)."""

    text: str
    source: str
    label: int
    kind: str
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Toxic:
    """A text for the toxicity head: one value per label of `TOXICITY`, None where nobody annotated it."""

    text: str
    source: str
    labels: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Tagged:
    """A text for the entity head. A type missing from `annotated` is unknown, not absent."""

    text: str
    source: str
    spans: tuple[tuple[int, int, str], ...]
    annotated: frozenset[str]


Row = Attack | Toxic | Tagged
TRAINED = ("train.jsonl.gz", "generated.jsonl.gz")  # the files of rows that are trained on
KINDS: Mapping[str, type[Row]] = {"injection": Attack, "toxicity": Toxic, "pii": Tagged}


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def parse(task: str, raw: Mapping[str, Any]) -> Row:
    """A row of the published data as the type of its task."""
    if task == "injection":
        return Attack(raw["text"], raw["source"], raw["label"], raw["kind"])
    if task == "toxicity":
        return Toxic(raw["text"], raw["source"], _complete(raw["labels"]))
    spans = (_entity(*span) for span in raw["spans"])
    known = tuple(span for span in spans if span[2] in ENTITIES and not _is_handle(raw["text"], span))
    types = frozenset("DATE" if name == "TIME" else name for name in raw["annotated"])
    return Tagged(raw["text"], raw["source"], known, types & frozenset(ENTITIES))


def _entity(start: int, end: int, name: str) -> tuple[int, int, str]:
    return start, end, "DATE" if name == "TIME" else name  # one label for points in time


def _is_handle(text: str, span: tuple[int, int, str]) -> bool:
    """Whether some account's handle is marked as a person or organization, as one source does and others do not."""
    start, _, name = span
    return name in ("PERSON", "ORGANIZATION") and (text[start] == "@" or text[:start].rstrip(" ").endswith("@"))


def _complete(labels: Mapping[str, float | None]) -> tuple[float | None, ...]:
    """Labels in order; a row marked as a threat counts as violence where violence was not annotated."""
    values = {name: labels[name.lower()] for name in TOXICITY}
    if values["VIOLENCE"] is None and values["THREAT"]:
        values["VIOLENCE"] = values["THREAT"]
    return tuple(values[name] for name in TOXICITY)


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Writes rows of any task and returns how many; byte-identical for equal rows, and all of them or nothing."""
    count = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        for row in rows:
            file.write(json.dumps(_plain(row), ensure_ascii=False).encode() + b"\n")
            count += 1
    partial.replace(path)
    return count


def _plain(row: Row) -> dict[str, Any]:
    fields = {name: getattr(row, name) for name in row.__slots__}
    if isinstance(row, Tagged):
        fields["annotated"] = sorted(row.annotated)
    return fields


def read_rows(path: Path) -> list[Row]:
    """What `write_rows` wrote."""
    return [_typed(raw) for raw in read_lines(path)]


def read_trained(work: Path) -> list[Row]:
    """The rows below *work* that are trained on."""
    return [row for name in TRAINED for row in read_rows(work / "rows" / name)]


def _typed(raw: dict[str, Any]) -> Row:
    if "annotated" in raw:
        spans = tuple((start, end, name) for start, end, name in raw["spans"])
        return Tagged(raw["text"], raw["source"], spans, frozenset(raw["annotated"]))
    if "labels" in raw:
        return Toxic(raw["text"], raw["source"], tuple(raw["labels"]))
    span = raw["span"]
    return Attack(raw["text"], raw["source"], raw["label"], raw["kind"], span and (span[0], span[1]))
