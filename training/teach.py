"""Targets that another model gives: what a smaller one is distilled from (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from training.batches import IGNORED, Sample
from training.trainer import Trainer


def taught(samples: Sequence[Sample], teacher: Trainer) -> list[Sample]:
    """The same windows, with the teacher's probabilities as targets, and its likeliest tag of every token."""
    made: list[Sample] = []
    for head in sorted({sample.head for sample in samples}):
        own = [sample for sample in samples if sample.head == head]
        logits = teacher.logits([sample.ids for sample in own], head)
        made += [
            replace(s, target=_target(head, each), hidden=frozenset()) for s, each in zip(own, logits, strict=True)
        ]
    return made


def _target(head: str, logits: Tensor) -> list[float]:
    if head != "entities":
        return [float(p) for p in logits.sigmoid()]
    return [IGNORED, *(float(tag) for tag in logits[1:-1].argmax(-1)), IGNORED]
