"""Two models that choose for each other which rows to learn from (Han et al. 2018, "Co-teaching")."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch.nn import functional
from tqdm import tqdm

from training.batches import Sample
from training.trainer import SEED, Trainer

FORGOTTEN = 0.03  # share of a batch that is taken for mislabelled
RISE = 0.2  # of the round, until that share is reached: first both have to know something


def one_round(first: Trainer, second: Trainer, made: list[list[Sample]]) -> None:
    """Trains both on batches for a head with independent labels that are all known."""
    rng = random.Random(SEED)
    for index, batch in enumerate(tqdm(made, desc="co-teaching", mininterval=20)):
        progress = index / len(made)
        kept = len(batch) - round(len(batch) * FORGOTTEN * min(1.0, progress / RISE))
        chosen = easy(second, batch, kept), easy(first, batch, kept)
        for trainer, rows in zip((first, second), chosen, strict=True):
            trainer.step(rows, progress, rng)


def easy(trainer: Trainer, batch: Sequence[Sample], kept: int) -> list[Sample]:
    """The rows of a batch that the model finds easiest, by its loss."""
    logits = torch.stack(trainer.logits([sample.ids for sample in batch], batch[0].head))
    target = torch.tensor([sample.target for sample in batch])
    losses = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)
    return [batch[i] for i in losses.argsort()[:kept].tolist()]
