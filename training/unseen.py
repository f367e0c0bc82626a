"""What the model is measured on: sources that were never trained on, and documents and planted attacks made of them.

Each text belongs to one of two halves, by its checksum: thresholds are chosen on one and measured on the other.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from training import documents
from training.plant import cut
from training.rows import Attack, Row, Tagged, Toxic, read_rows

ORDINARY = ("alpaca", "code_alpaca", "nlp_task_prompts", "multilingual_benign", "gpteacher_roleplay")
HARD = ("borderline_safe", "injecguard_valid")
PROSE = ("wikineural_en", "conll2003_en")
SEED = 99


@dataclass(frozen=True, slots=True)
class Sample:
    """Unseen texts of one source with the same injection label."""

    source: str
    label: int
    texts: tuple[str, ...]


def calibrates(text: str) -> bool:
    """Whether a text belongs to the half on which thresholds are chosen."""
    return crc32(text.encode()) % 2 == 0


def rows(work: Path) -> list[Row]:
    return read_rows(work / "rows" / "unseen.jsonl.gz")


def injection(unseen: Sequence[Row], limit: int, *, calibration: bool) -> list[Sample]:
    """
    Up to `limit` texts of each source and label, of one of the halves.

    Raises:
        ValueError: none of them is what people ordinarily send; without that nothing can be measured or chosen.
    """
    groups: dict[tuple[str, int], list[str]] = defaultdict(list)
    for row in unseen:
        if isinstance(row, Attack) and calibrates(row.text) == calibration:
            groups[row.source, row.label].append(row.text)
    rng = random.Random(SEED)
    made = [
        Sample(source, label, tuple(rng.sample(texts, min(limit, len(texts)))))
        for (source, label), texts in sorted(groups.items())
        if len(texts) >= 20
    ]
    if not any(sample.source in ORDINARY for sample in made):
        raise ValueError(f"none of {', '.join(ORDINARY)} is unseen: hold one out (`--hold-out`, stage `data`)")
    long = limit // 2 if calibration else limit // 4  # a penalty chosen on a few would be left to chance
    return [*made, *long_texts(unseen, long, calibration=calibration)]


def long_texts(unseen: Sequence[Row], count: int, *, calibration: bool) -> list[Sample]:
    """
    Harmless documents of 2,000 to 30,000 characters, and documents of 1,000 to 8,000 with one unseen attack inside.

    What they are made of belongs to one of the halves, too: a document as a whole, and each sentence of prose.
    """
    rng = random.Random(SEED + calibration)
    half = [row for row in unseen if calibrates(row.text) == calibration]
    whole = [text for name, text in documents.documents() if documents.is_unseen(name)]
    pool = [text for text in whole if calibrates(text) == calibration]
    prose = " ".join(r.text for r in half if isinstance(r, Tagged) and r.source in PROSE)
    attacks = [
        row.text
        for row in half
        if isinstance(row, Attack)
        and row.label
        and len(row.text) < 400
        and row.source in ("tensor_trust", "spikee", "injecguard_valid", "small_collections")
    ]
    clean = tuple(document(pool, prose, rng, rng.randint(2_000, 30_000)) for _ in range(count))
    hosts = [document(pool, prose, rng, rng.randint(1_000, 8_000)) for _ in range(count)] if attacks else []
    buried = tuple("\n".join(insert(host, rng.choice(attacks), rng)) for host in hosts)
    return [Sample("long_documents", 0, clean), *([Sample("buried_in_documents", 1, buried)] if buried else [])]


def document(pool: Sequence[str], prose: str, rng: random.Random, size: int) -> str:
    """`size` characters of news and encyclopaedia sentences or of a technical document, or all that this one has."""
    is_prose = bool(prose) and rng.random() < 0.4
    text = prose if is_prose else rng.choice([t for t in pool if len(t) >= min(size, 8_000)])
    start = rng.randrange(max(1, len(text) - size))
    return text[start : start + size]


def insert(host: str, attack: str, rng: random.Random) -> tuple[str, str, str]:
    middle = len(host) // 2
    start, end = cut(host[middle:], rng)
    return host[:middle] + start, attack, end


def toxicity(unseen: Sequence[Row], limit: int, *, calibration: bool) -> dict[str, list[Toxic]]:
    """Up to `limit` unseen texts of each source of toxicity labels."""
    groups: dict[str, list[Toxic]] = defaultdict(list)
    for row in unseen:
        if isinstance(row, Toxic) and calibrates(row.text) == calibration:
            groups[row.source].append(row)
    rng = random.Random(SEED)
    return {source: rng.sample(found, min(limit, len(found))) for source, found in sorted(groups.items())}


def entities(unseen: Sequence[Row], limit: int, *, calibration: bool) -> dict[str, list[Tagged]]:
    """Up to `limit` unseen texts of each source of entities, of one of the halves."""
    groups: dict[str, list[Tagged]] = defaultdict(list)
    for row in unseen:
        if isinstance(row, Tagged) and calibrates(row.text) == calibration:
            groups[row.source].append(row)
    rng = random.Random(SEED)
    return {source: rng.sample(found, min(limit, len(found))) for source, found in sorted(groups.items())}
