"""Forward and backward passes shared between processes of one thread each.

On a CPU two such processes beat one with two threads, by far when the cores have other work too: they wait for each
other once per step instead of once per matrix product. Weights and gradients lie in shared memory.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch import multiprocessing as mp

from training.batches import Sample
from training.losses import loss
from training.network import Headed


def gradients(model: Headed, batch: list[Sample], nominal: int, device: str, seed: int) -> float:
    """Leaves the batch's gradients in the model and returns its mean loss; *seed* decides what is dropped out."""
    torch.manual_seed(seed)
    ids = torch.tensor([sample.ids for sample in batch], device=device)
    value = loss(model.head(batch[0].head, ids), batch)
    (value * (len(batch) / nominal)).backward()
    return float(value.detach())


class Crew:
    """The calling process and `processes - 1` others, each doing a part of every batch."""

    def __init__(self, model: Headed, processes: int, device: str) -> None:
        self.model, self.device = model, device
        self.trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.others, self.size = [], processes
        torch.set_num_threads(1 if processes > 1 else torch.get_num_threads())
        for _ in range(processes - 1):
            model.share_memory()
            shared = {name: torch.zeros_like(p).share_memory_() for name, p in self.trained.items()}
            ours, theirs = mp.get_context("spawn").Pipe()
            worker = mp.get_context("spawn").Process(target=_work, args=(model, shared, theirs), daemon=True)
            worker.start()
            self.others.append((ours, shared))

    def close(self) -> None:
        """Lets the other processes end."""
        for pipe, _ in self.others:
            pipe.close()

    def gradients(self, batch: list[Sample], nominal: int, seed: int) -> tuple[float, Mapping[str, Tensor]]:
        """The batch's mean loss and its float32 gradients, for the weights that its head uses."""
        parts = [batch[i :: len(self.others) + 1] for i in range(len(self.others) + 1)]
        for number, ((pipe, _), part) in enumerate(zip(self.others, parts[1:], strict=True), 1):
            pipe.send((part, nominal, seed + number))
        value = gradients(self.model, parts[0], nominal, self.device, seed) * len(parts[0])
        summed = {n: p.grad.float() for n, p in self.trained.items() if p.grad is not None}
        for parameter in self.trained.values():
            parameter.grad = None
        for (pipe, shared), part in zip(self.others, parts[1:], strict=True):
            value += pipe.recv() * len(part)
            if part:
                for name in summed:
                    summed[name] += shared[name]
        return value / len(batch), summed


def _work(model: Headed, shared: Mapping[str, Tensor], pipe: mp.connection.Connection) -> None:
    torch.set_num_threads(1)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    while True:
        try:
            part, nominal, seed = pipe.recv()
        except EOFError:
            return
        value = gradients(model, part, nominal, "cpu", seed) if part else 0.0
        for name, parameter in trained.items():
            if parameter.grad is not None:
                shared[name].copy_(parameter.grad)
                parameter.grad = None
        pipe.send(value)
