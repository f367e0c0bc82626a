"""Stage `teach`: a round of attacks and harmless texts for a larger model, whose advice `train` then takes."""

from __future__ import annotations

from pathlib import Path

import torch

from training import choice, mixture, mpnet, tokens, train
from training.batches import Choose, batches, encode
from training.rows import Attack
from training.sources import Table
from training.start import weights
from training.teach import TEACHER
from training.trainer import SEED, Trainer

DRAW = SEED + 4  # other rows, in another order, than those that its pupil begins with


def run(work: Path, table: Table, scale: float, processes: int, start: Path | None = None) -> Path:
    """
    Trains it, or goes on training, and returns the path of its averaged weights; if they are there, nothing is done.

    Of long texts, it reads the windows that stand out to the exported int8 model `start`, otherwise those whose wording
    does.
    """
    device, processes = ("cuda", 1) if torch.cuda.is_available() else ("cpu", processes)
    target, checkpoint, tokenizer = work / TEACHER, work / "teacher.checkpoint.pt", tokens.build()
    if target.exists():
        return target
    rows = [row for row in train.rows(work) if isinstance(row, Attack)]
    drawn = mixture.draw(rows, mixture.weights(table), 0, DRAW, scale)
    choose: Choose = choice.by_wording
    if start:
        guard = Trainer(device, processes)
        guard.begin(weights(start))
        choose = choice.by_score(train.looked_at(guard, drawn, tokenizer, 0))
        guard.crew.close()
    made = batches(encode(drawn, tokenizer, choose, DRAW), DRAW)
    trainer, skipped = Trainer(device, processes, mpnet.pretrained, mpnet.RATES), 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        trainer.load(state["trainer"])
        skipped = state["step"]
    train.one_round(trainer, made, 0, 1, skipped, checkpoint, {})
    torch.save(trainer.average, target)
    return target
