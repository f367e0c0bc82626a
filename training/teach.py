"""Targets that another model gives: what a smaller one is distilled from (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from training import mpnet
from training.batches import IGNORED, Sample
from training.trainer import logits

SHARE = 0.5  # of the teacher in a target; the rest is the label

Logits = Callable[[list[list[int]], str], list[Tensor]]


def taught(samples: Sequence[Sample], teacher: Logits) -> list[Sample]:
    """The same windows, with the teacher's probabilities as targets, and its likeliest tag of every token."""
    made: list[Sample] = []
    for head in sorted({sample.head for sample in samples}):
        own = [sample for sample in samples if sample.head == head]
        found = teacher([sample.ids for sample in own], head)
        made += [replace(s, target=_target(head, each), hidden=frozenset()) for s, each in zip(own, found, strict=True)]
    return made


def advised(samples: Sequence[Sample], work: Path, number: int, device: str, threads: int) -> list[Sample]:
    """
    The samples of round *number*; if there is a `teacher.pt` below *work*, half of the target of each attack and each
    harmless text is the probability that the teacher gives it, which is written beside it and read the next time.
    """
    teacher, written = work / "teacher.pt", work / f"advice-{number + 1}.pt"
    if not teacher.exists():
        return list(samples)
    asked = [i for i, sample in enumerate(samples) if sample.head == "injection"]
    if not written.exists():
        model = mpnet.pretrained()
        model.load_state_dict(torch.load(teacher, weights_only=True), strict=False)
        model = model.to(device, torch.bfloat16)
        found = logits(model, [samples[i].ids for i in asked], "injection", device, threads)
        torch.save(torch.cat(found).sigmoid(), written)
    made = list(samples)
    for i, advice in zip(asked, torch.load(written, weights_only=True).tolist(), strict=True):
        (label,) = samples[i].target
        made[i] = replace(samples[i], target=[SHARE * advice + (1 - SHARE) * (label or 0.0)])
    return made


def _target(head: str, found: Tensor) -> list[float]:
    if head != "entities":
        return [float(p) for p in found.sigmoid()]
    return [IGNORED, *(float(tag) for tag in found[1:-1].argmax(-1)), IGNORED]
