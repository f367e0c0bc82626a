"""Model, optimizer and average, and one step of them.

Weights are bfloat16 with float32 masters that the optimizer moves; what ships is an average over the last steps.
The word embeddings stay as they were pretrained, so that words never seen in training keep their meaning.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from training.batches import Sample, forget
from training.crew import Crew
from training.network import pretrained

SEED = 7
RATE = {"encoder": 1.2e-4, "heads": 6e-4}
WARMUP = 0.04
CONTINUED = 0.7  # of the rates, for a run that begins with the weights of another
AVERAGE = 0.998
NOMINAL = {"injection": 32, "toxicity": 32, "entities": 64}  # rows of a batch whose loss counts once


class Trainer:
    """Model, masters, optimizer and average, as one thing that can be saved."""

    def __init__(self, device: str, processes: int, layers: Sequence[int] | None = None, seed: int = SEED) -> None:
        """`layers` chooses those of the pretrained encoder that are kept."""
        torch.manual_seed(seed)
        self.device = device
        self.unknown = 0.0  # share of tokens that the model must do without; see the ablations
        model = pretrained().to(device)
        if layers:
            model.encoder.layers = nn.ModuleList(model.encoder.layers[i] for i in layers)
        model.encoder.words.weight.requires_grad_(requires_grad=False)
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.masters = {name: p.detach().clone().float() for name, p in trained.items()}
        self.average = {name: p.clone() for name, p in self.masters.items()}
        self.model = model.to(torch.bfloat16)
        self.crew = Crew(self.model, processes, device)
        parts: dict[str, list[Tensor]] = {"encoder": [], "heads": []}
        for name, master in self.masters.items():
            parts["encoder" if name.startswith("encoder") else "heads"].append(master)
        self.optimizer = torch.optim.AdamW(
            [{"params": parts[name], "lr": rate, "peak": rate} for name, rate in RATE.items()],
            weight_decay=0.01,
            betas=(0.9, 0.98),
            fused=True,  # a sixth of the time on a CPU
        )

    def step(self, batch: list[Sample], progress: float, rng: random.Random) -> float:
        head = batch[0].head
        worn = [replace(sample, ids=forget(sample.ids, rng, self.unknown)) for sample in batch]
        value, found = self.crew.gradients(worn, NOMINAL[head])
        moved = list(found)
        for name, grad in found.items():
            self.masters[name].grad = grad
        torch.nn.utils.clip_grad_norm_([self.masters[name] for name in moved], 1.0)
        for part in self.optimizer.param_groups:
            part["lr"] = part["peak"] * rate(progress)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name in moved:
                self.crew.trained[name].copy_(self.masters[name])
            decay = min(AVERAGE, 0.9 + progress)
            torch._foreach_lerp_(list(self.average.values()), list(self.masters.values()), 1 - decay)
        return value

    def slow_down(self, share: float) -> None:
        for part in self.optimizer.param_groups:
            part["peak"] *= share

    def begin(self, weights: Mapping[str, Tensor]) -> None:
        """Replaces what there is among *weights*; rows that a smaller table lacks stay as they are."""
        with torch.no_grad():
            for name, master in self.masters.items():
                if name not in weights:  # of a part that was added since
                    continue
                rows = weights[name].shape[0]
                master[:rows].copy_(weights[name])
                self.average[name].copy_(master)
                self.crew.trained[name].copy_(master)

    def state(self) -> dict[str, object]:
        return {
            "masters": self.masters,
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }

    def load(self, state: dict[str, dict[str, Tensor]]) -> None:
        with torch.no_grad():
            for name, master in self.masters.items():
                master.copy_(state["masters"][name])
                self.average[name].copy_(state["average"][name])
                self.crew.trained[name].copy_(master)
        self.optimizer.load_state_dict(state["optimizer"])

    @torch.no_grad()
    def logits(self, windows: list[list[int]], head: str) -> list[Tensor]:
        """What a head says about each framed window, as the live weights stand."""
        self.model.eval()
        torch.set_num_threads(len(self.crew.others) + 1)  # the others wait meanwhile
        order = sorted(range(len(windows)), key=lambda i: len(windows[i]))
        found = [torch.empty(0)] * len(windows)
        for group in equal_lengths(order, windows):
            ids = torch.tensor([windows[i] for i in group], device=self.device)
            for i, logits in zip(group, self.model.head(head, ids).float().cpu(), strict=True):
                found[i] = logits
        self.model.train()
        torch.set_num_threads(1)
        return found


def rate(progress: float) -> float:
    """The learning rate's share of its peak: a short rise, then a straight fall."""
    return min(progress / WARMUP, (1 - progress) / (1 - WARMUP)) if progress < 1 else 0.0


def equal_lengths(order: Sequence[int], windows: Sequence[list[int]], size: int = 64) -> list[list[int]]:
    groups: list[list[int]] = []
    for i in order:
        if groups and len(groups[-1]) < size and len(windows[groups[-1][0]]) == len(windows[i]):
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups
