"""Losses that leave out what nobody annotated."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.batches import IGNORED, Sample
from training.rows import TAGS

SMOOTHING = 0.005  # more would flatten the logits that the window penalty is taken from


def loss(logits: Tensor, batch: list[Sample]) -> Tensor:
    """The mean loss of one head's logits over the rows of a batch."""
    if batch[0].head == "entities":
        return tagging(logits.float(), batch)
    return binary(logits.float(), batch)


def binary(logits: Tensor, batch: list[Sample]) -> Tensor:
    """Binary cross-entropy over the annotated labels, slightly smoothed. `logits` is [rows, labels]."""
    known = torch.tensor([[v is not None for v in s.target] for s in batch], device=logits.device)
    target = torch.tensor([[v or 0.0 for v in s.target] for s in batch], device=logits.device)
    target = target * (1 - 2 * SMOOTHING) + SMOOTHING
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (each * known).sum() / len(batch)


def tagging(logits: Tensor, batch: list[Sample]) -> Tensor:
    """Cross-entropy per token, where "no entity" also allows the types that the row's source does not mark."""
    target = torch.tensor([s.target for s in batch], device=logits.device, dtype=torch.long)
    hidden = torch.tensor([[i in s.hidden for i in range(len(TAGS))] for s in batch], device=logits.device)
    allowed = functional.one_hot(target.clamp(min=0), len(TAGS)).bool()
    allowed = allowed | (hidden[:, None, :] & (target == 0)[..., None])
    chosen = logits.masked_fill(~allowed, -torch.inf).logsumexp(-1)
    counted = target != IGNORED
    each = logits.logsumexp(-1) - chosen
    weight = torch.where(target > 0, 2.0, 1.0) * counted
    return (each * weight).sum() / counted.sum().clamp(min=1)
