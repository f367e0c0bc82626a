"""Stage `calibrate`: temperatures, the penalty of long texts and thresholds, chosen on unseen texts and written to
the manifest. The texts measured by `evaluate` are the other half of the unseen ones."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scanner_service.calibration import choose_thresholds, threshold_for, wilson
from training import manifest, sureness, unseen
from training.predict import Logits, Model, highest
from training.rows import TOXICITY, Row

TARGET_FPR = 0.005
LOWEST_THRESHOLD = 0.3  # of a toxicity label: on clean prompts alone a rare one would be found at a few percent
LOWEST_FOR_ALL = 0.5  # of the label that all others share: below it, orders that are merely bossy are called toxic
TOXIC_TARGET_FPR = 0.01  # for all nine labels together
CIVIL = ("alpaca", "code_alpaca", "long_documents")  # `nlp_task_prompts` asks about hateful texts and quotes them
LONG_TARGET_FPR = 0.01  # a long document is many texts in one; other documents than these may be stopped twice as often
TRAFFIC = (*unseen.ORDINARY, "long_documents")  # what thresholds are chosen on: what people ordinarily send
LONG = 4  # windows of a text that counts as long
# Never none: a text longer than any of these here must not become suspicious by its length alone.
PENALTIES = tuple(step / 20 for step in range(3, 21))


def run(work: Path, out: Path, results: Path, limit: int) -> dict[str, object]:
    """Writes `manifest.toml` beside `out`, and what was chosen to `guard_calibration.json` below `results`."""
    model = Model(out / "model.int8.onnx", out / "tokenizer.json")
    rows = unseen.rows(work)
    chosen: dict[str, object] = {}
    injection = calibrate_injection(model, unseen.injection(rows, limit, calibration=True))
    chosen["injection"] = injection
    chosen["toxicity"] = calibrate_toxicity(model, rows, limit)
    chosen["entities"] = sureness.calibrate(model, unseen.entities(rows, limit, calibration=True))
    results.mkdir(parents=True, exist_ok=True)
    (results / "guard_calibration.json").write_text(json.dumps(chosen, indent=1) + "\n", encoding="utf-8")
    manifest.write(out, chosen)
    return chosen


def calibrate_injection(model: Model, samples: Sequence[unseen.Sample]) -> dict[str, object]:
    """Penalty, temperature and threshold, in this order, each from the one before."""
    logits = [(s, model.windows(s.texts, "injection")) for s in samples]
    harmless = [text for s, found in logits if s.source in TRAFFIC and not s.label for text in found]
    penalty = smallest_penalty(harmless)
    positive = np.concatenate([highest(found, penalty)[:, 0] for s, found in logits if s.label])
    negative = highest(harmless, penalty)[:, 0]
    temperature = best_temperature(positive, negative)
    scores = [sigmoid(x / temperature) for x in negative]
    threshold = threshold_for(scores, TARGET_FPR)
    stopped = sum(score >= threshold for score in scores)
    return {
        "temperature": temperature,
        "penalty": penalty,
        "thresholds": {"INJECTION": threshold},
        "harmless_texts": len(scores),
        "false_positives": wilson(stopped, len(scores)),
    }


def calibrate_toxicity(model: Model, rows: Sequence[Row], limit: int) -> dict[str, object]:
    """Per label a threshold on clean prompts: the clean half of `clean_assistant_prompts` and ordinary instructions."""
    groups = unseen.toxicity(rows, limit * 2, calibration=True)
    clean = [row.text for row in groups.get("clean_assistant_prompts", ())]
    for sample in unseen.injection(rows, limit, calibration=True):
        if sample.source in CIVIL:
            clean.extend(sample.texts)
    logits = model.windows(clean, "toxicity")
    penalty = smallest_penalty(logits, LOWEST_FOR_ALL)
    negative = highest(logits, penalty)
    labelled = [row for source, found in groups.items() if source != "clean_assistant_prompts" for row in found]
    truth = [row.labels[0] for row in labelled]
    known = highest(model.windows([row.text for row in labelled], "toxicity"), penalty)[:, 0]
    toxic = np.array([x for x, y in zip(known, truth, strict=True) if y is not None and y >= 0.5])
    civil = np.array([x for x, y in zip(known, truth, strict=True) if y is not None and y < 0.5])
    temperature = best_temperature(toxic, civil) if len(toxic) and len(civil) else 1.0
    scores = [dict(zip(TOXICITY, row, strict=True)) for row in (1 / (1 + np.exp(-negative / temperature))).tolist()]
    chosen = choose_thresholds(scores, TOXICITY, TOXIC_TARGET_FPR)
    lowest = dict.fromkeys(TOXICITY, LOWEST_THRESHOLD) | {"TOXICITY": LOWEST_FOR_ALL}
    thresholds = {label: max(at, lowest[label]) for label, at in chosen.items()}
    return {"temperature": temperature, "penalty": penalty, "thresholds": thresholds, "clean_texts": len(clean)}


def smallest_penalty(harmless: Sequence[Sequence[Logits]], lowest: float = 0.0) -> float:
    """The smallest penalty with which at most the share `LONG_TARGET_FPR` of long harmless texts is stopped.

    They are, where a share of `TARGET_FPR` of the short ones would be, and at no probability below *lowest*.

    The highest of n windows with an exponential upper tail lies its scale times ln(n) above one window: that is the
    form of the penalty. Its size is not taken from the fitted tail but from what long texts need, because whatever is
    taken from them is taken from attacks buried in them, too.
    """
    short = [text for text in harmless if len(text) == 1]
    long = [text for text in harmless if len(text) >= LONG]
    for penalty in PENALTIES:
        limit = threshold_for([sigmoid(x) for x in highest(short, penalty)[:, 0]], TARGET_FPR) if short else 1.0
        limit = max(limit, lowest)
        stopped = sum(sigmoid(x) >= limit for x in highest(long, penalty)[:, 0]) if long else 0
        if stopped <= LONG_TARGET_FPR * len(long):
            return penalty
    return PENALTIES[-1]


def best_temperature(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """The temperature with the least log loss when both classes count alike."""

    def log_loss(temperature: float) -> float:
        missed = np.logaddexp(0, -positive / temperature).mean()
        return float(missed + np.logaddexp(0, negative / temperature).mean())

    return min(sureness.TEMPERATURES, key=log_loss)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
