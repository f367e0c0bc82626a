"""Stage `evaluate`: the int8 model on sources it never saw, written to `guard_evaluation.json`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import metrics
from training import identity, manifest, near_copies, unseen
from training.predict import Model, highest
from training.rows import ENTITIES, TOXICITY, Attack, Row, Tagged, read_trained
from training.spans import decode

Head = dict[str, Any]


def run(work: Path, out: Path, results: Path, limit: int) -> dict[str, object]:
    """
    Measures the three heads as the manifest describes them and returns the summary.

    Raises:
        ValueError: the manifest describes another model.
    """
    described = out.parent / "manifest.toml"
    entry = tomllib.loads(described.read_text(encoding="utf-8"))["models"][out.name]
    if manifest.digest(out / "model.int8.onnx") != entry["sha256"]:
        raise ValueError(f"{described}: describes another model than {out} has; run the stage `calibrate` first")
    heads = {head["output"]: head for head in entry["heads"]}
    model = Model(out / "model.int8.onnx", out / "tokenizer.json")
    rows = unseen.rows(work)
    figures: dict[str, Any] = {"model": entry["sha256"], "texts_per_source_and_label": limit}
    samples = unseen.injection(rows, limit, calibration=False)
    learned = (row.text for row in read_trained(work) if isinstance(row, Attack))
    known = near_copies.known([text for sample in samples for text in sample.texts], learned)
    figures["injection"] = injection(model, heads["injection"], samples, known)
    figures["toxicity"] = toxicity(model, heads["toxicity"], rows, limit)
    long = [text for sample in samples if sample.source == "long_documents" for text in sample.texts]
    figures["toxicity"]["long_documents"] = stopped(model, heads["toxicity"], long)
    figures["identity"] = identity.measure(model, heads["toxicity"])
    figures["entities"] = entities(model, heads["entities"], unseen.entities(rows, limit, calibration=False))
    results.mkdir(parents=True, exist_ok=True)
    (results / "guard_evaluation.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return dict(figures["injection"]["summary"])


def probabilities(model: Model, head: Head, texts: Sequence[str]) -> NDArray[np.float64]:
    """The head's probabilities [texts, labels], windows joined and temperature applied as in the service."""
    logits = highest(model.windows(texts, head["output"]), head["window_penalty"])
    joined: NDArray[np.float64] = 1 / (1 + np.exp(-logits / head["temperature"]))
    return joined


def injection(model: Model, head: Head, samples: Sequence[unseen.Sample], known: Set[str]) -> dict[str, Any]:
    """
    Per source: ranking against its own or the pooled harmless texts, and verdicts at the threshold; also of those texts
    alone whose wording is not *known* from training.
    """
    threshold = head["thresholds"]["INJECTION"]
    scores = {(s.source, s.label): probabilities(model, head, s.texts)[:, 0].tolist() for s in samples}
    pool = [x for name in unseen.ORDINARY for x in scores.get((name, 0), [])]
    texts = {(s.source, s.label): s.texts for s in samples}
    report: dict[str, Any] = {"threshold": threshold, "attacks": {}, "harmless": {}}
    for (source, label), found in scores.items():
        over = sum(score >= threshold for score in found)
        shares = {
            "n": len(found),
            "share_over_threshold": over / len(found),
            "interval": metrics.wilson(over, len(found)),
        }
        new = [score for score, text in zip(found, texts[source, label], strict=True) if text not in known]
        shares["known"] = len(found) - len(new)
        if new:
            shares["new_over_threshold"] = sum(score >= threshold for score in new) / len(new)
        if not label:
            report["harmless"][source] = shares
            continue
        own = scores.get((source, 0), [])
        negatives = own if len(own) >= 100 else pool
        report["attacks"][source] = shares | {
            "negatives": "own" if len(own) >= 100 else "pooled",
            "auc": metrics.auc(found, negatives),
            "recall_at_1_percent": metrics.recall_at_fpr(found, negatives, 0.01),
            "recall_at_0.1_percent": metrics.recall_at_fpr(found, negatives, 0.001),
            "auc_pooled": metrics.auc(found, pool),
            "recall_at_1_percent_pooled": metrics.recall_at_fpr(found, pool, 0.01),
        }
    report["summary"] = summary(report)
    report["curves"] = curves(scores, pool)
    return report


def summary(report: dict[str, Any]) -> dict[str, float]:
    """The rows of the goal: means over unseen sources, and false positives by kind of harmless text."""
    attacks = [r for name, r in report["attacks"].items() if name != "buried_in_documents"]
    harmless = report["harmless"]

    def over(names: Sequence[str]) -> float:
        found = [harmless[name] for name in names if name in harmless]
        return float(sum(r["share_over_threshold"] * r["n"] for r in found) / max(1, sum(r["n"] for r in found)))

    planted = [report["attacks"][n]["share_over_threshold"] for n in PLANTED if n in report["attacks"]]
    return {
        "mean_auc": float(np.mean([r["auc_pooled"] for r in attacks])),
        "mean_recall_at_1_percent": float(np.mean([r["recall_at_1_percent_pooled"] for r in attacks])),
        "trigger_words_accuracy": 1 - over(unseen.HARD),
        "ordinary_false_positives": over(unseen.ORDINARY),
        "long_documents_false_positives": over(["long_documents"]),
        "planted_recall": float(np.mean(planted)),
    }


PLANTED = ("asb_composed", "buried_in_documents")


def curves(scores: dict[tuple[str, int], list[float]], pool: Sequence[float]) -> dict[str, list[float]]:
    """Rounded scores for the plots: pooled harmless texts and all attacks."""
    attacks = [x for (_, label), found in scores.items() if label for x in found]
    return {"harmless": [round(x, 4) for x in sorted(pool)], "attacks": [round(x, 4) for x in sorted(attacks)]}


def toxicity(model: Model, head: Head, rows: Sequence[Row], limit: int) -> dict[str, Any]:
    """Per source and label with enough of both: its positives ranked against clean prompts and its own clean texts."""
    groups = unseen.toxicity(rows, limit, calibration=False)
    scores = {name: probabilities(model, head, [row.text for row in found]) for name, found in groups.items()}
    clean = scores.get("clean_assistant_prompts", np.empty((0, len(TOXICITY))))
    report: dict[str, Any] = {"sources": {}, "clean_prompts_over_threshold": {}}
    for index, label in enumerate(TOXICITY):
        over = int((clean[:, index] >= head["thresholds"][label]).sum())
        report["clean_prompts_over_threshold"][label] = {"n": len(clean), "over": over}
    limits = np.array([head["thresholds"][label] for label in TOXICITY])
    report["clean_prompts_over_threshold"]["any of them"] = {
        "n": len(clean),
        "over": int((clean >= limits).any(1).sum()),
    }
    for name, found in groups.items():
        for index, label in enumerate(TOXICITY):
            truth = [row.labels[index] for row in found]
            column = scores[name][:, index].tolist()
            yes = [x for x, y in zip(column, truth, strict=True) if y is not None and y >= 0.5]
            own = [x for x, y in zip(column, truth, strict=True) if y is not None and y < 0.5]
            if len(yes) >= 20:
                against = {"clean_prompts": clean[:, index].tolist(), "own": own}
                report["sources"].setdefault(name, {})[label] = {
                    "n": len(yes),
                    "recall_at_threshold": sum(x >= head["thresholds"][label] for x in yes) / len(yes),
                } | {
                    f"{measure}_{kind}": function(yes, no)
                    for kind, no in against.items()
                    if len(no) >= 20
                    for measure, function in (("auc", metrics.auc), ("ap", metrics.average_precision))
                }
    return report


def stopped(model: Model, head: Head, texts: Sequence[str]) -> dict[str, int]:
    """How many harmless texts reach the threshold of any label."""
    limits = np.array([head["thresholds"][label] for label in head["labels"]])
    return {"n": len(texts), "over": int((probabilities(model, head, texts) >= limits).any(1).sum())}


def entities(model: Model, head: Head, groups: Mapping[str, Sequence[Tagged]]) -> dict[str, Any]:
    """Exact-span scores per source and type; types that a source does not mark are left out."""
    report: dict[str, Any] = {}
    for name, found in groups.items():
        gold, guess = [], []
        logits = model.windows([row.text for row in found], "entities")
        for row, encoding, parts in zip(found, model.encode([row.text for row in found]), logits, strict=True):
            if len(parts) > 1:
                continue  # sentences fit one window; the service joins windows, this stage measures the head
            spans = decode(parts[0], encoding.offsets, row.text, head["temperature"])
            sure = {span for span, score in spans.items() if score >= head["thresholds"][span[2]]}
            guess.append({span for span in sure if span[2] in row.annotated})
            gold.append({span for span in row.spans if span[2] in ENTITIES})
        report[name] = metrics.span_f1(gold, guess)
    return report
