"""Stage `teach`: a round of a larger model for each head that has a teacher; see `advice`."""

from __future__ import annotations

from pathlib import Path

from training import choice, mixture, mpnet, tokens, train
from training.advice import ADVISED, teacher_of
from training.batches import Choose, batches, encode
from training.kept import Kept, checksum
from training.rows import read_trained
from training.sources import Table
from training.start import weights
from training.trainer import SEED, Trainer, device

DRAW = SEED + 4  # other rows, in another order, than those that its pupil begins with


def run(work: Path, table: Table, scale: float, processes: int, start: Path | None = None) -> list[Path]:
    """
    Trains them, or goes on training, and returns the paths of their averaged weights; what is there is not made again.

    Of long texts, the teacher of attacks reads the windows that stand out to the exported int8 model `start`, otherwise
    those whose wording does.

    Raises:
        ValueError: there is one, or a checkpoint of one, that was trained on other rows.
    """
    return [_trained(head, work, table, scale, processes, start) for head in ADVISED]


def _trained(head: str, work: Path, table: Table, scale: float, processes: int, start: Path | None) -> Path:
    made_of, tokenizer = checksum(work), tokens.build()
    target = Kept(teacher_of(head, work), made_of)
    checkpoint = Kept(target.path.with_suffix(".checkpoint.pt"), made_of)
    if target.read_own():
        return target.path
    rows = [row for row in read_trained(work) if isinstance(row, ADVISED[head])]
    drawn = mixture.draw(rows, mixture.weights(table), 0, DRAW, scale)
    choose: Choose = choice.by_wording
    if start and head == "injection":
        guard = Trainer(*device(processes))
        guard.begin(weights(start))
        choose = choice.by_score(train.looked_at(guard, drawn, tokenizer, 0))
        guard.crew.close()
    made = batches(encode(drawn, tokenizer, choose, DRAW), DRAW)
    trainer, skipped = Trainer(*device(processes), mpnet.pretrained, mpnet.RATES), 0
    if state := checkpoint.read_own():
        trainer.load(state["trainer"])
        skipped = state["step"]
    train.one_round(trainer, made, 0, 1, skipped, checkpoint, {})
    trainer.crew.close()
    target.write({"average": trainer.average})
    return target.path
