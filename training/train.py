"""Stage `train`: a few rounds over freshly drawn mixtures; continues from its last checkpoint.

Weights are bfloat16 with float32 masters that the optimizer moves; what ships is an average over the last steps.
The word embeddings stay as they were pretrained, so that words never seen in training keep their meaning.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from tqdm import tqdm

from training import choice, mixture, tokens
from training.batches import Sample, batches, encode, forget
from training.crew import Crew
from training.network import Guard, pretrained
from training.rows import Attack, Row, read_rows
from training.sources import Table

SEED = 7
RATE = {"encoder": 1.2e-4, "heads": 6e-4}
WARMUP = 0.04
CONTINUED = 0.7  # of the rates, for a run that begins with the weights of another
AVERAGE = 0.998
UNKNOWN = 0.04  # share of tokens that the model must do without
SAVE_EVERY = 200
NOMINAL = {"injection": 32, "toxicity": 32, "entities": 64}  # rows of a batch whose loss counts once


class Trainer:
    """Model, masters, optimizer and average, as one thing that can be saved."""

    def __init__(self, device: str, processes: int) -> None:
        torch.manual_seed(SEED)
        self.device = device
        model = pretrained().to(device)
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
        )

    def step(self, batch: list[Sample], progress: float, rng: random.Random) -> float:
        head = batch[0].head
        worn = [replace(sample, ids=forget(sample.ids, rng, UNKNOWN)) for sample in batch]
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
    def scores(self, windows: list[list[int]]) -> list[float]:
        """The injection logit of each framed window."""
        self.model.eval()
        torch.set_num_threads(len(self.crew.others) + 1)  # the others wait meanwhile
        order = sorted(range(len(windows)), key=lambda i: len(windows[i]))
        found = [0.0] * len(windows)
        for group in equal_lengths(order, windows):
            ids = torch.tensor([windows[i] for i in group], device=self.device)
            for i, logit in zip(group, self.model.head("injection", ids)[:, 0].tolist(), strict=True):
                found[i] = logit
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


def run(work: Path, table: Table, rounds: int, scale: float, processes: int, start: Path | None = None) -> Path:
    """Trains, or goes on training, and returns the path of the last checkpoint.

    `start` is another run's checkpoint whose weights a new run begins with.
    """
    cuda = torch.cuda.is_available()
    trainer = Trainer("cuda" if cuda else "cpu", 1 if cuda else processes)
    rows = read_rows(work / "rows" / "train.jsonl.gz") + read_rows(work / "rows" / "generated.jsonl.gz")
    weight, tokenizer, checkpoint = mixture.weights(table), tokens.build(), work / "checkpoint.pt"
    first, skipped, score = 0, 0, {}
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        trainer.load(state["trainer"])
        first, skipped = state["round"], state["step"]
        score = {(text, window): value for text, window, value in state["score"]}
    elif start:
        trainer.load(torch.load(start, weights_only=True)["trainer"])
        trainer.slow_down(CONTINUED)
    for number in range(first, rounds):
        drawn = mixture.draw(rows, weight, number, SEED, scale)
        if (number or start) and not skipped:
            score = looked_at(trainer, drawn, tokenizer, number)
        choose = choice.by_score(score) if score else choice.by_wording
        made = batches(encode(drawn, tokenizer, choose, SEED + number), SEED + number)
        one_round(trainer, made, number, rounds, skipped, checkpoint, score)
        skipped = 0
        save(checkpoint, trainer, number + 1, 0, {})
        save(work / f"round-{number + 1}.pt", trainer, number + 1, 0, {})
    return checkpoint


def one_round(
    trainer: Trainer,
    made: list[list[Sample]],
    number: int,
    rounds: int,
    skipped: int,
    checkpoint: Path,
    score: choice.Score,
) -> None:
    rng = random.Random(SEED + number)
    recent: dict[str, float] = {}
    bar = tqdm(list(enumerate(made))[skipped:], desc=f"round {number + 1}/{rounds}", mininterval=20)
    for index, batch in bar:
        value = trainer.step(batch, (number + index / len(made)) / rounds, rng)
        head = batch[0].head
        recent[head] = 0.98 * recent.get(head, value) + 0.02 * value
        if index % SAVE_EVERY == SAVE_EVERY - 1:
            save(checkpoint, trainer, number, index + 1, score)
            bar.set_postfix({name: f"{mean:.3f}" for name, mean in recent.items()})


def looked_at(
    trainer: Trainer, drawn: Sequence[Row], tokenizer: Tokenizer, number: int
) -> dict[tuple[str, int], float]:
    """The model's score of the windows that this round may choose among."""
    rng, places, windows = random.Random(number), [], []
    for row in drawn:
        if not isinstance(row, Attack) or len(row.text) < 300:
            continue
        encoding = tokenizer.encode(row.text)
        ranges = tokens.windows(len(encoding.ids))
        for i in choice.candidates(row, ranges, encoding, rng):
            places.append((row.text, i))
            windows.append(tokens.framed(encoding.ids[slice(*ranges[i])]))
    return dict(zip(places, trainer.scores(windows), strict=True))


def save(path: Path, trainer: Trainer, number: int, step: int, score: choice.Score) -> None:
    """Writes beside, then replaces, so that a checkpoint is never half a file."""
    listed = [(text, window, value) for (text, window), value in score.items()]
    partial = path.with_suffix(".partial")
    torch.save({"trainer": trainer.state(), "round": number, "step": step, "score": listed}, partial)
    partial.replace(path)


def averaged(checkpoint: Path) -> Guard:
    """The trained model of a checkpoint, float32, with its averaged weights."""
    model = pretrained()
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    missing, unexpected = model.load_state_dict(state["trainer"]["average"], strict=False)
    if unexpected or list(missing) != ["encoder.words.weight"]:
        raise ValueError(f"{checkpoint}: {json.dumps([missing, unexpected])}")
    return model.eval()
