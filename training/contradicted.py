"""Rows whose label a model that never saw them contradicts: likely mistakes of their annotators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zlib import crc32

from training import tokens
from training.rows import Attack, Row
from training.trainer import Trainer

SURE = 0.9  # probability of the other label

Train = Callable[[Sequence[Row]], Trainer]


def contradicted(rows: Sequence[Row], train: Train) -> set[str]:
    """
    The texts of the rows for the injection head that the model of the other fold is sure are labelled wrongly.

    Long texts are left alone: where in them the attack stands is not known.
    """
    found: set[str] = set()
    attacks = [row for row in rows if isinstance(row, Attack)]
    for fold in (0, 1):
        trainer = train([row for row in attacks if _fold(row) != fold])
        judged = [(row, tokens.build().encode(row.text).ids) for row in attacks if _fold(row) == fold]
        short = [(row, tokens.framed(ids)) for row, ids in judged if len(ids) <= tokens.WINDOW - 2]
        logits = trainer.logits([ids for _, ids in short], "injection")
        trainer.crew.close()
        for (row, _), logit in zip(short, logits, strict=True):
            probability = float(logit[0].sigmoid())
            if abs(row.label - probability) > SURE:
                found.add(row.text)
    return found


def _fold(row: Attack) -> int:
    return crc32(row.text.encode()) // 2 % 2
