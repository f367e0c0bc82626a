"""Targets that other models give: what a smaller one is distilled from (Hinton et al. 2015)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from training import mpnet
from training.batches import IGNORED, Sample
from training.kept import Kept
from training.rows import Attack, Row, Tagged, Toxic
from training.trainer import logits

ADVISED: Mapping[str, type[Row]] = {  # heads with a teacher, and its rows
    "injection": Attack,
    "entities": Tagged,
    "toxicity": Toxic,
}
SHARE = 0.5  # of the teacher in the target of a label that is known

Logits = Callable[[list[list[int]], str], list[Tensor]]


def teacher_of(head: str, work: Path) -> Path:
    """Where stage `teach` writes the teacher of a head."""
    return work / f"teacher-{head}.pt"


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
    The samples of round *number*, with the advice of the teachers that there are below *work*.

    The advice is written there too, and read when the round begins again with the same windows. Windows that nobody has
    labelled, and no teacher either, are left out.
    """
    made = list(samples)
    for head in ADVISED:
        teacher = teacher_of(head, work)
        if teacher.exists():
            written = Kept(work / f"advice-{head}-{number + 1}.pt", _question(made, head, teacher))
            if not (kept := written.read()):
                kept = {"targets": advice(made, head, teacher, device, threads)}
                written.write(kept)
            made = followed(made, head, kept["targets"])
    return [sample for sample in made if not sample.is_unlabelled]


def _question(samples: Sequence[Sample], head: str, teacher: Path) -> str:
    """The checksum of what is asked, and of who is."""
    with teacher.open("rb") as weights:
        asked = hashlib.file_digest(weights, "sha256")
    for sample in samples:
        if _asks(sample, head):
            asked.update(repr(sample.ids).encode())
    return asked.hexdigest()


def advice(samples: Sequence[Sample], head: str, teacher: Path, device: str, threads: int) -> list[list[float]]:
    """What the teacher would have as targets of those samples that it is asked about."""
    model = mpnet.trained(teacher).to(device, torch.bfloat16)
    windows = [sample.ids for sample in samples if _asks(sample, head)]
    return [_target(head, found) for found in logits(model, windows, head, device, threads)]


def followed(samples: Sequence[Sample], head: str, given: Sequence[list[float]]) -> list[Sample]:
    """
    The samples with the advice *given* about some of them.

    It is half of the target of each label, and the whole of what nobody has annotated.
    """
    made = list(samples)
    asked = [i for i, sample in enumerate(samples) if _asks(sample, head)]
    for i, target in zip(asked, given, strict=True):
        made[i] = replace(samples[i], target=target if head == "entities" else _mixed(samples[i], target))
    return made


def _mixed(sample: Sample, said: list[float]) -> list[float]:
    both = zip(sample.target, said, strict=True)
    return [p if label is None else SHARE * p + (1 - SHARE) * label for label, p in both]


def _asks(sample: Sample, head: str) -> bool:
    return sample.head == head and (head != "entities" or sample.is_unlabelled)


def _target(head: str, found: Tensor) -> list[float]:
    if head != "entities":
        return [float(p) for p in found.sigmoid()]
    return [IGNORED, *(float(tag) for tag in found[1:-1].argmax(-1)), IGNORED]
