"""Stage `ablate`: short trainings that each go without one ingredient, and one head without the other two.

All begin with the pretrained encoder and see as many rows of each group; what differs is said by the variant's name.
They are measured as the live weights stand, before quantization, so compare them with one another and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from bench import metrics
from training import choice, coteach, mixture, mpnet, near_copies, tokens, train, unseen
from training.advice import ADVISED, advice, followed, taught, teacher_of
from training.batches import batches, crossed, encode, untagged
from training.contradicted import contradicted
from training.network import pretrained
from training.rows import Attack, Row, Tagged, Toxic, read_trained
from training.sources import Table
from training.spans import decode
from training.start import weights
from training.trainer import CONTINUED, SEED, Trainer, device

HIDDEN = 0.04  # of the tokens, where some are hidden
PENALTY = 0.15  # of windows; what calibration chooses lies near it
LIMIT = 100  # texts of each unseen source and label


@dataclass(frozen=True, slots=True)
class Variant:
    """What a training is without, or has in addition.

    It keeps some rows, changes the form of some (`disturbed` times as many as the mixture says), hides a share of the
    tokens, trains some heads, draws from all sources with equal weight (`evenly`), also `learns` sources that are held
    out otherwise, is not measured on those it `spares`, has some of the layers, `scale` times as many rows, goes on
    from the weights of `start`, is taught by it, has the advice of the teachers (about `crossed` windows too), is one,
    drops near-copies or what the other fold's model contradicts, or is one of two models that teach each other. With
    another `seed` it draws other rows, in another order, which shows how much of a difference is chance.
    """

    keeps: Callable[[Row], bool] = lambda row: True
    disturbed: float = 1.0
    unknown: float = 0.0
    heads: tuple[str, ...] = ("injection", "toxicity", "entities")
    evenly: bool = False
    learns: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    scale: float = 1.0
    goes_on: bool = False
    taught: bool = False
    advised: bool = False
    crossed: bool = True
    is_teacher: bool = False
    drops_near_copies: bool = False
    drops_contradicted: bool = False
    co_taught: bool = False
    seed: int = SEED

    def needs(self, work: Path, start: Path | None) -> Path | None:
        """The file without which it cannot be."""
        if self.advised or self.is_teacher:
            return teacher_of(self.heads[-1], work)
        return start if self.goes_on or self.taught else work


def without(*sources: str) -> Variant:
    return Variant(lambda row: row.source not in sources)


NON_COMMERCIAL = ("alpaca", "code_alpaca", "asb_composed", "harmful_requests", "conll2003_en", "wikineural_en")

AUTHORED = ("authored_attack", "authored_harmless", "authored_tagged", "authored_clean")

VARIANTS: Mapping[str, Variant] = {
    "everything": Variant(),
    "no authored texts": without(*AUTHORED),
    "everything, draw 2": Variant(seed=SEED + 1),
    "no authored texts, draw 2": replace(without(*AUTHORED), seed=SEED + 1),
    "injection alone": Variant(lambda row: isinstance(row, Attack), heads=("injection",)),
    "toxicity alone": Variant(lambda row: isinstance(row, Toxic), heads=("toxicity",)),
    "entities alone": Variant(lambda row: isinstance(row, Tagged), heads=("entities",)),
    "no planted attacks": without("planted", "carrier"),
    "no worded attacks": without("grammar_attack", "grammar_benign"),
    "no hard negatives": Variant(lambda row: not (isinstance(row, Attack) and row.kind == "hard_negative")),
    "no changed forms": Variant(disturbed=0.0),
    "hidden tokens": Variant(unknown=HIDDEN),
    "sources of equal weight": Variant(evenly=True),
    "no near-copies": Variant(drops_near_copies=True),
    "no contradicted rows": Variant(drops_contradicted=True),
    "injection alone, co-taught": Variant(lambda row: isinstance(row, Attack), heads=("injection",), co_taught=True),
    "three layers": Variant(layers=(0, 2, 4)),
    "three layers, taught by the shipped model": Variant(layers=(0, 2, 4), taught=True),
    "six layers, taught by the shipped model": Variant(taught=True),
    "the shipped model": Variant(goes_on=True, scale=0.0),
    "the shipped model, gone on with entities alone": Variant(
        lambda row: isinstance(row, Tagged), heads=("entities",), goes_on=True, scale=8.0
    ),
    "everything, advised by the teachers": Variant(advised=True),
    "everything, advised by the teachers, no windows crossed": Variant(advised=True, crossed=False),
    "the teacher": Variant(heads=("injection",), is_teacher=True),
    "the teacher of names": Variant(heads=("entities",), is_teacher=True),
    "the teacher of toxicity": Variant(heads=("toxicity",), is_teacher=True),
    "everything, fewer sources measured": Variant(spares=NON_COMMERCIAL),
    "non-commercial sources too, fewer sources measured": Variant(learns=NON_COMMERCIAL, spares=NON_COMMERCIAL),
}


def run(
    work: Path, results: Path, table: Table, scale: float, processes: int, start: Path | None, only: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Trains and measures what `guard_ablations.json` does not have yet, or *only* some, and writes each as it ends.

    Variants that go on from a model, or are taught by one, need `start`; those with advice, what `teach` wrote. Those
    that lack it are named and left out.

    Raises:
        ValueError: a variant has no such name.
    """
    if unknown := set(only) - set(VARIANTS):
        raise ValueError(f"unknown variants: {sorted(unknown)}; there are: {', '.join(VARIANTS)}")
    target = results / "guard_ablations.json"
    found: dict[str, dict[str, float]] = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    rows = read_trained(work)
    hidden = unseen.rows(work)
    for name, variant in VARIANTS.items():
        needed = variant.needs(work, start)
        if name in found or (only and name not in only):
            continue
        if not needed or not needed.exists():
            print(f"{name}: left out, it needs {needed or '--start'}", flush=True)
        else:
            kept = [row for row in rows if variant.keeps(row)] + [row for row in hidden if row.source in variant.learns]
            if variant.drops_near_copies:
                kept = list(near_copies.without(kept))
            trainer = trained(kept, variant, table, scale * variant.scale, processes, needed)
            found[name] = measured(trainer, [row for row in hidden if row.source not in variant.spares], variant.heads)
            trainer.crew.close()
            print(json.dumps({name: found[name]}), flush=True)
            target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def trained(rows: Sequence[Row], variant: Variant, table: Table, scale: float, processes: int, needed: Path) -> Trainer:
    """One round, from the pretrained encoder or from the weights that are *needed*."""
    if variant.is_teacher:
        return Trainer(*device(processes), partial(mpnet.trained, needed))
    if variant.drops_contradicted:
        fold = VARIANTS["injection alone"]
        published = {source.file for source in table.sources}
        judged = [row for row in rows if row.source in published]
        wrong = contradicted(judged, lambda part: trained(part, fold, table, scale, processes, needed))
        print(f"{len(wrong)} rows are contradicted", flush=True)
        rows = [row for row in rows if row.text not in wrong]
    trainer = Trainer(*device(processes), partial(pretrained, layers=variant.layers), seed=variant.seed)
    if variant.goes_on:
        trainer.begin(weights(needed))
        trainer.slow_down(CONTINUED)
    shares = {name: share * variant.disturbed for name, share in mixture.DISTURBED.items()}
    weight = mixture.weights(table)
    drawn = mixture.draw(rows, dict.fromkeys(weight, 1.0) if variant.evenly else weight, 0, variant.seed, scale, shares)
    samples = encode(drawn, tokens.build(), choice.by_wording, variant.seed)
    if variant.taught:
        teacher = Trainer(*device(1))
        teacher.begin(weights(needed))
        samples = taught(samples, teacher.logits)
    if variant.advised:
        samples += crossed(samples, variant.seed) if variant.crossed else []
        samples += untagged(drawn, tokens.build(), variant.seed)
        for head in ADVISED:
            teacher_file = teacher_of(head, needed.parent)
            samples = followed(samples, head, advice(samples, head, teacher_file, *device(processes)))
    trainer.unknown = variant.unknown
    if variant.co_taught:
        coteach.one_round(trainer, Trainer(*device(1), seed=variant.seed + 1), batches(samples, variant.seed))
    else:
        train.one_round(trainer, batches(samples, variant.seed), 0, 1, 0, None, {})
    return trainer


def measured(trainer: Trainer, rows: Sequence[Row], heads: Sequence[str]) -> dict[str, float]:
    """Means over unseen sources: injection against ordinary prompts, toxicity against clean ones, F1 of entities."""
    measures = {"injection": injection, "toxicity": toxicity, "entities": entities}
    return {name: value for head in heads for name, value in measures[head](trainer, rows).items()}


def injection(trainer: Trainer, rows: Sequence[Row]) -> dict[str, float]:
    samples = unseen.injection(rows, LIMIT, calibration=False)
    scores = {(s.source, s.label): [score(trainer, "injection", text) for text in s.texts] for s in samples}
    pool = [x for name in unseen.ORDINARY for x in scores.get((name, 0), [])]
    attacks = {name: found for (name, label), found in scores.items() if label}
    buried = attacks.pop("buried_in_documents")
    hard = [x for name in unseen.HARD for x in scores[name, 0]]
    limit = metrics.threshold_at_fpr(pool, 0.005)
    return {
        "injection AUC": float(np.mean([metrics.auc(found, pool) for found in attacks.values()])),
        "recall at 1 %": float(np.mean([metrics.recall_at_fpr(found, pool, 0.01) for found in attacks.values()])),
        "buried recall at 1 %": metrics.recall_at_fpr(buried, pool, 0.01),
        "trigger words accuracy": sum(x <= limit for x in hard) / len(hard),
    }


def score(trainer: Trainer, head: str, text: str) -> float:
    """The highest logit of the head's first label over the windows of a text, less the penalty."""
    ids = tokens.build().encode(text).ids
    ranges = tokens.windows(len(ids))
    found = trainer.logits([tokens.framed(ids[slice(*each)]) for each in ranges], head)
    return float(max(float(one[0]) for one in found) - PENALTY * np.log(len(ranges)))


def toxicity(trainer: Trainer, rows: Sequence[Row]) -> dict[str, float]:
    groups = unseen.toxicity(rows, LIMIT, calibration=False)
    scores = {
        name: [(score(trainer, "toxicity", row.text), row.labels[0]) for row in found] for name, found in groups.items()
    }
    clean = [x for x, _ in scores.pop("clean_assistant_prompts")]
    toxic = [[x for x, value in found if value is not None and value >= 0.5] for found in scores.values()]
    return {"toxicity AUC": float(np.mean([metrics.auc(found, clean) for found in toxic if len(found) >= 20]))}


def entities(trainer: Trainer, rows: Sequence[Row]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for texts in unseen.entities(rows, LIMIT, calibration=False).values():
        gold, guess = [], []
        for row in texts:
            encoding = tokens.build().encode(row.text)
            if len(encoding.ids) <= tokens.WINDOW - 2:
                ids = tokens.framed(tokens.shaped(row.text, encoding))
                logits = trainer.logits([ids], "entities")[0][1:-1].numpy()
                guess.append({s for s in decode(logits, encoding.offsets, row.text) if s[2] in row.annotated})
                gold.append(set(row.spans))
        for kind, figures in metrics.span_f1(gold, guess).items():
            found.setdefault(f"{kind} F1", []).append(figures["f1"])
    return {name: float(np.mean(values)) for name, values in sorted(found.items())}
