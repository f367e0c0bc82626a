"""How sure the entity head may be: the temperature that makes its scores probabilities, chosen on unseen texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from training.predict import Logits, Model
from training.rows import ENTITIES, TAGS, Tagged
from training.spans import probabilities, words

TEMPERATURES = tuple(round(0.5 * 1.05**step, 3) for step in range(50))
THRESHOLD = 0.5  # likelier a name than none

# A text with the logits of its only window and the characters of its tokens.
Read = tuple[Tagged, Logits, Sequence[tuple[int, int]]]


def calibrate(model: Model, groups: Mapping[str, Sequence[Tagged]]) -> dict[str, object]:
    """
    What the manifest says of the entity head, from texts by source.

    The temperature is the median of those at which the tags of each source have the least log loss: one source whose
    labels are wrong does not move it. It is 1 without sources.
    """
    best = [best_temperature(found) for rows in groups.values() if (found := _read(model, rows))]
    temperature = round(median(best), 3) if best else 1.0
    return {"temperature": temperature, "penalty": 0.0, "thresholds": dict.fromkeys(ENTITIES, THRESHOLD)}


def best_temperature(found: Sequence[Read]) -> float:
    """The temperature at which the tags of the words of *found* have the least log loss."""
    each = [(_logits_of_words(row, logits, at), _tags(row, at)) for row, logits, at in found]
    logits, tags = np.concatenate([x for x, _ in each]), np.concatenate([y for _, y in each])

    def log_loss(temperature: float) -> float:
        shares = probabilities(logits, temperature)
        return float(-np.log(np.maximum(shares[np.arange(len(tags)), tags], 1e-12)).mean())

    return min(TEMPERATURES, key=log_loss)


def _read(model: Model, rows: Sequence[Tagged]) -> list[Read]:
    texts = [row.text for row in rows]
    given = zip(rows, model.windows(texts, "entities"), model.encode(texts), strict=True)
    return [(row, parts[0], encoding.offsets) for row, parts, encoding in given if len(parts) == 1]


def _logits_of_words(row: Tagged, logits: Logits, offsets: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """[words, tags]; what nobody marks in this source is impossible."""
    picked = logits[[first for first, _, _ in words(offsets, row.text)]].astype(np.float64)
    picked[:, [bool(tag[2:]) and tag[2:] not in row.annotated for tag in TAGS]] = -1e4
    return picked


def _tags(row: Tagged, offsets: Sequence[tuple[int, int]]) -> NDArray[np.intp]:
    """The tag of each word, as an index."""
    tags = []
    for _, start, end in words(offsets, row.text):
        inside = next(((a, kind) for a, b, kind in row.spans if a < end and start < b), None)
        tags.append("O" if inside is None else f"{'B' if inside[0] >= start else 'I'}-{inside[1]}")
    return np.array([TAGS.index(tag) for tag in tags], dtype=np.intp)
