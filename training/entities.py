"""Generated rows for the entity head: mails, forms, news and tables with names, technical text that holds none, and
published rows with other names in them."""

from __future__ import annotations

import random
import re
import tomllib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from training import documents
from training.names import Names
from training.rows import ENTITIES, Row, Tagged

Span = tuple[int, int, str]
DIALOGUES = ("nlu_evaluation_slots", "restaurant8k_slots")  # only what was asked for is marked in them
_SLOT = re.compile(r"\{([A-Z]+)\}")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
FRAMES: tuple[str, ...] = tuple(
    tomllib.loads(Path(__file__).with_name("frames.toml").read_text(encoding="utf-8"))["frames"]
)
# A gap that only a tokenizer made.
_GAP = re.compile(r"(?<=[(@#$]) | (?=[,.;:!?)%]|n't\b|'(?:s|re|ve|ll|d|m)\b)")


def date(rng: random.Random) -> str:
    """A date as people write it."""
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1940, 2030)
    name = rng.choice([MONTHS[month - 1], MONTHS[month - 1][:3]])
    return rng.choice(
        [
            f"{year}-{month:02}-{day:02}",
            f"{month}/{day}/{year}",
            f"{day:02}.{month:02}.{year}",
            f"{name} {day}, {year}",
            f"{day} {name} {year}",
            f"{name} {day}",
            f"the {day}th of {name}",
            f"{name} {year}",
            rng.choice(DAYS),
            f"{rng.choice(DAYS)}, {name} {day}",
            f"next {rng.choice(DAYS)}",
            rng.choice(["tomorrow", "yesterday", "today", "next week", "last month"]),
            f"{rng.randint(1, 12)} {rng.choice(['am', 'pm'])}",
            f"{rng.randint(0, 23)}:{rng.randint(0, 59):02}",
        ]
    )


def filled(frame: str, draw: Callable[[str], str]) -> tuple[str, list[Span]]:
    """The frame with its slots filled by what *draw* gives for their names, and where the fillings stand."""
    text, spans, last = "", [], 0
    for slot in _SLOT.finditer(frame):
        text += frame[last : slot.start()]
        value = draw(slot[1])
        spans.append((len(text), len(text) + len(value), "ORGANIZATION" if slot[1] == "TEAM" else slot[1]))
        text, last = text + value, slot.end()
    return text + frame[last:], spans


def generated(rows: Sequence[Row], rng: random.Random, count: int) -> Iterator[Tagged]:
    """Filled frames, a third as many pieces of technical documents, and twice as many rows with other names."""
    names = Names(rows, rng)
    yield from (framed(names, rng) for _ in range(count))
    pieces = [
        piece
        for name, text in documents.trained()
        if not name.startswith("package")
        for piece in documents.chunks(text, 200)
    ]
    for piece in rng.sample(pieces, min(count // 3, len(pieces))):
        maybe_dated = re.search(r"\b(19|20)\d\d\b", piece)
        yield Tagged(piece, "entity_free", (), frozenset(ENTITIES) - ({"DATE", "PERSON"} if maybe_dated else set()))
    naming = [row for row in rows if isinstance(row, Tagged) and row.spans and row.source not in DIALOGUES]
    for row in rng.sample(naming, min(2 * count, len(naming))):
        yield closed_up(renamed(row, names, rng))


def framed(names: Names, rng: random.Random) -> Tagged:
    """One to three filled frames."""
    text, spans = "", []
    for _ in range(rng.choice([1, 1, 2, 3])):
        part, found = filled(rng.choice(FRAMES), lambda kind: date(rng) if kind == "DATE" else names.draw(kind))
        spans += [(start + len(text), end + len(text), kind) for start, end, kind in found]
        text += part + rng.choice(["\n", " "])
    return Tagged(text.rstrip(), "entity_frames", tuple(spans), frozenset(ENTITIES))


def renamed(row: Tagged, names: Names, rng: random.Random) -> Tagged:
    """The row with most of its names replaced by others of the same type."""
    text, spans, last = "", [], 0
    for start, end, kind in sorted(row.spans):
        if start < last:  # inside another one
            continue
        name = names.draw(kind) if kind != "DATE" and rng.random() < 0.7 else row.text[start:end]
        text += row.text[last:start]
        spans.append((len(text), len(text) + len(name), kind))
        text, last = text + name, end
    return Tagged(text + row.text[last:], "entity_renamed", tuple(spans), row.annotated)


def closed_up(row: Tagged) -> Tagged:
    """The row without the gaps of a tokenized corpus: people write "didn't", "(so)" and "@ann"."""
    gaps = [gap.start() for gap in _GAP.finditer(row.text)]
    spans = tuple((a - bisect_left(gaps, a), b - bisect_left(gaps, b), kind) for a, b, kind in row.spans)
    return replace(row, text=_GAP.sub("", row.text), spans=spans)
