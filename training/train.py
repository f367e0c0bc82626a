"""Stage `train`: a few rounds over freshly drawn mixtures; continues from its last checkpoint."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tqdm import tqdm

from training import choice, mixture, tokens
from training.advice import advised
from training.batches import Sample, batches, crossed, encode, untagged
from training.kept import Kept, checksum
from training.network import Guard, pretrained
from training.rows import Attack, Row, read_trained
from training.sources import Table
from training.start import weights
from training.trainer import CONTINUED, SEED, Trainer, device

SAVE_EVERY = 200


def run(work: Path, table: Table, rounds: int, scale: float, processes: int, start: Path | None = None) -> Path:
    """Trains, or goes on training, and returns the path of the last checkpoint.

    `start` is another run's checkpoint, or an exported int8 model, whose weights a new run begins with.

    Raises:
        ValueError: there is a checkpoint of a run with other rows.
    """
    trainer = Trainer(*device(processes))
    read, weight, tokenizer = read_trained(work), mixture.weights(table), tokens.build()
    made_of = checksum(work)
    checkpoint = Kept(work / "checkpoint.pt", made_of)
    first, skipped, score = 0, 0, {}
    if state := checkpoint.read_own():
        trainer.load(state["trainer"])
        first, skipped = state["round"], state["step"]
        score = {(text, window): value for text, window, value in state["score"]}
    elif start:
        trainer.begin(weights(start))
        trainer.slow_down(CONTINUED)
    for number in range(first, rounds):
        drawn = mixture.draw(read, weight, number, SEED, scale)
        if (number or start) and not skipped:
            score = looked_at(trainer, drawn, tokenizer, number)
        choose = choice.by_score(score) if score else choice.by_wording
        samples = encode(drawn, tokenizer, choose, SEED + number)
        samples += crossed(samples, SEED + number) + untagged(drawn, tokenizer, SEED + number)
        made = batches(advised(samples, work, number, trainer.device, trainer.crew.size), SEED + number)
        one_round(trainer, made, number, rounds, skipped, checkpoint, score)
        skipped = 0
        save(checkpoint, trainer, number + 1, 0, {})
        save(Kept(work / f"round-{number + 1}.pt", made_of), trainer, number + 1, 0, {})
    return checkpoint.path


def one_round(
    trainer: Trainer,
    made: list[list[Sample]],
    number: int,
    rounds: int,
    skipped: int,
    checkpoint: Kept | None,
    score: choice.Score,
) -> None:
    """The steps of one round, from the first that was not made yet; saved now and then if there is a `checkpoint`."""
    recent: dict[str, float] = {}
    bar = tqdm(list(enumerate(made))[skipped:], desc=f"round {number + 1}/{rounds}", mininterval=20)
    for index, batch in bar:
        chance = random.Random(f"{SEED} {number} {index}")  # of its own, so that a run that goes on is the same run
        value = trainer.step(batch, (number + index / len(made)) / rounds, chance)
        head = batch[0].head
        recent[head] = 0.98 * recent.get(head, value) + 0.02 * value
        if index % SAVE_EVERY == SAVE_EVERY - 1:
            if checkpoint:
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
    return dict(zip(places, (float(one[0]) for one in trainer.logits(windows, "injection")), strict=True))


def save(checkpoint: Kept, trainer: Trainer, number: int, step: int, score: choice.Score) -> None:
    """What a run needs to go on behind a step of a round."""
    listed = [(text, window, value) for (text, window), value in score.items()]
    checkpoint.write({"trainer": trainer.state(), "round": number, "step": step, "score": listed})


def averaged(checkpoint: Path) -> Guard:
    """The trained model of a checkpoint, float32, with its averaged weights."""
    model = pretrained()
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    missing, unexpected = model.load_state_dict(state["trainer"]["average"], strict=False)
    if unexpected or list(missing) != ["encoder.words.weight"]:
        raise ValueError(f"{checkpoint}: {json.dumps([missing, unexpected])}")
    return model.eval()
