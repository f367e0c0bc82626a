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

TEACHER = "teacher.pt"  # where stage `teach` writes it
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
    The samples of round *number*, with the advice of the teacher, if there is one below *work*.

    The advice is written there too, and read when the round begins again.
    """
    written = work / f"advice-{number + 1}.pt"
    teacher = work / TEACHER
    if not teacher.exists():
        return list(samples)
    if not written.exists():
        torch.save(advice(samples, teacher, device, threads), written)
    return mixed(samples, torch.load(written, weights_only=True))


def advice(samples: Sequence[Sample], teacher: Path, device: str, threads: int) -> Tensor:
    """The probability that the teacher gives each attack and each harmless text among the samples."""
    model = mpnet.trained(teacher).to(device, torch.bfloat16)
    windows = [sample.ids for sample in samples if sample.head == "injection"]
    return torch.cat(logits(model, windows, "injection", device, threads)).sigmoid()


def mixed(samples: Sequence[Sample], given: Tensor) -> list[Sample]:
    """The samples, half of the target of each attack and each harmless text being the advice *given* about it."""
    made = list(samples)
    asked = [i for i, sample in enumerate(samples) if sample.head == "injection"]
    for i, said in zip(asked, given.tolist(), strict=True):
        (label,) = samples[i].target
        made[i] = replace(samples[i], target=[SHARE * said + (1 - SHARE) * (label or 0.0)])
    return made


def _target(head: str, found: Tensor) -> list[float]:
    if head != "entities":
        return [float(p) for p in found.sigmoid()]
    return [IGNORED, *(float(tag) for tag in found[1:-1].argmax(-1)), IGNORED]
