"""Model, optimizer and average, and one step of them.

Weights are bfloat16 with float32 masters that the optimizer moves; what ships is an average over the last steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from tqdm import tqdm

from training.batches import Sample, forget
from training.crew import Crew
from training.network import Headed, pretrained

SEED = 7
RATE = {"encoder": 1.2e-4, "heads": 6e-4}
WARMUP = 0.04
CONTINUED = 0.7  # of the rates, for a run that begins with the weights of another
AVERAGE = 0.998
NOMINAL = {"injection": 32, "toxicity": 32, "entities": 64}  # rows of a batch whose loss counts once


def device(processes: int) -> tuple[str, int]:
    """Where to train, and in how many processes: the GPU in one if there is one, else the CPU in as many as asked."""
    return ("cuda", 1) if torch.cuda.is_available() else ("cpu", processes)


class Trainer:
    """Model, masters, optimizer and average, as one thing that can be saved."""

    def __init__(
        self,
        device: str,
        processes: int,
        make: Callable[[], Headed] = pretrained,
        rates: Mapping[str, float] = RATE,
        seed: int = SEED,
    ) -> None:
        """`make` gives the model; what of it stays as it is requires no gradient."""
        torch.manual_seed(seed)
        self.device = device
        self.unknown = 0.0  # share of tokens that the model must do without; see the ablations
        model = make().to(device)
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.masters = {name: p.detach().clone().float() for name, p in trained.items()}
        self.average = {name: p.clone() for name, p in self.masters.items()}
        self.model = model.to(torch.bfloat16)
        self.crew = Crew(self.model, processes, device)
        parts: dict[str, list[Tensor]] = {"encoder": [], "heads": []}
        for name, master in self.masters.items():
            parts["encoder" if name.startswith("encoder") else "heads"].append(master)
        self.optimizer = torch.optim.AdamW(
            [{"params": parts[name], "lr": rate, "peak": rate} for name, rate in rates.items()],
            weight_decay=0.01,
            betas=(0.9, 0.98),
            fused=True,  # a sixth of the time on a CPU
        )

    def step(self, batch: list[Sample], progress: float, rng: random.Random) -> float:
        head = batch[0].head
        worn = [replace(sample, ids=forget(sample.ids, rng, self.unknown)) for sample in batch]
        value, found = self.crew.gradients(worn, NOMINAL[head], rng.getrandbits(32))
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

    def logits(self, windows: list[list[int]], head: str) -> list[Tensor]:
        """What a head says about each framed window, as the live weights stand."""
        found = logits(self.model, windows, head, self.device, self.crew.size)
        self.model.train()
        return found


@torch.no_grad()
def logits(model: Headed, windows: list[list[int]], head: str, device: str, threads: int) -> list[Tensor]:
    """What a head of a model says about each framed window; equal lengths are read together."""
    model.eval()
    usual = torch.get_num_threads()
    torch.set_num_threads(threads)
    order = sorted(range(len(windows)), key=lambda i: len(windows[i]))
    found = [torch.empty(0)] * len(windows)
    for group in tqdm(equal_lengths(order, windows), desc=head, mininterval=20, delay=20, leave=False):
        ids = torch.tensor([windows[i] for i in group], device=device)
        for i, each in zip(group, model.head(head, ids).float().cpu(), strict=True):
            found[i] = each
    torch.set_num_threads(usual)
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
