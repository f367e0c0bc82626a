"""
How good the service's own chain is on sources that the model was not trained on.

    python -m bench.accuracy --data ../shared/data [--limit 300] [--out bench/results/accuracy.json]

Everything is measured behind views, windows and thresholds, with the int8 model that ships. Which sources are unseen
stands in training/sources.toml; half of their texts, chosen by checksum, served to calibrate and are left out here.
`bench/novel.jsonl` and `bench/blind.jsonl` were written to measure with, and nobody trains on them; of the second, no
figure of the weights that ship was known before they and their thresholds were final. Who trains again writes another.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerResult
from presidio_analyzer.nlp_engine import SpacyNlpEngine
from tqdm import tqdm

from bench import metrics, personal_documents
from bench.obfuscations import OBFUSCATIONS
from bench.shipped import Shipped, highest
from training import data, sources, unseen
from training.rows import TOXICITY, Attack, Row, Tagged, Toxic

WRITTEN = {name: Path(__file__).with_name(f"{name}.jsonl") for name in ("novel", "blind")}
SEED = 20
NEEDED_NEGATIVES = 100  # below this a source's false-positive rates are measured on those of all sources together
RESAMPLES = 200
SENTENCES = 6  # for each text of the others: they are short, and have an entity or two
ENTITY_LABELS = ("PERSON", "LOCATION", "ORGANIZATION")
Table = dict[str, dict[str, object]]


def main() -> None:
    """Measure, print the tables and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the labelled sources")
    parser.add_argument("--limit", type=int, default=300, help="texts of each source and label")
    parser.add_argument("--out", type=Path, default=Path("bench/results/accuracy.json"))
    asked = parser.parse_args()
    rows = list(_unseen_rows(asked.data))
    with Shipped() as shipped:
        figures: dict[str, Table] = {
            "injection": injection(shipped, rows, asked.limit),
            **{f"injection, {name} texts": written(shipped, path) for name, path in WRITTEN.items()},
            "obfuscations": obfuscations(shipped, rows, asked.limit),
            "toxicity": toxicity(shipped, rows, asked.limit),
            "entities": entities(shipped, rows, SENTENCES * asked.limit),
            "entities, without capitals": entities(shipped, without_capitals(rows), SENTENCES * asked.limit),
            "personal data in made-up documents": personal_data(shipped, asked.limit),
        }
    for title, table in figures.items():
        print(f"\n{title}")
        _print(table)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"model": shipped.digest, **figures}, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten to {asked.out}")


def _unseen_rows(folder: Path) -> Iterable[Row]:
    split = sources.split(sources.read_table())
    for source in split.unseen:
        yield from data.load(folder, source, split, unseen=True)


def injection(shipped: Shipped, rows: Sequence[Row], limit: int) -> Table:
    """Per source: AUC, recall at 1 % and 0.1 % false positives, and the share over the shipped threshold."""
    samples = unseen.injection(rows, limit, calibration=False)
    score = _injection_score(shipped)
    threshold = shipped.threshold("prompt_injection", "INJECTION")
    scored = {
        (sample.source, sample.label): [score(text) for text in sample.texts]
        for sample in tqdm(samples, desc="injection", unit="source")
    }
    harmless = {source: values for (source, label), values in scored.items() if not label}
    pooled = [value for source, values in harmless.items() if source != "long_documents" for value in values]
    table: Table = {}
    for (source, label), values in scored.items():
        name = f"{source} ({'attacks' if label else 'harmless'})"
        table[name] = {"n": len(values), **_share(values, threshold, "over_threshold")}
        if label:
            own = harmless.get(source, [])
            table[name] |= _separation(values, own if len(own) >= NEEDED_NEGATIVES else pooled)
    attacks = [row for row in table.values() if "auc" in row]
    table["mean over sources of attacks"] = {
        key: fmean(float(str(row[key])) for row in attacks)
        for key in ("auc", "recall_at_1_percent", "recall_at_01_percent", "over_threshold")
    }
    for name, group in (("ordinary harmless", unseen.ORDINARY), ("harmless with trigger words", unseen.HARD)):
        values = [value for source in group for value in harmless.get(source, [])]
        table[name] = {"n": len(values), **_share(values, threshold, "over_threshold")}
    return table


def written(shipped: Shipped, path: Path) -> Table:
    """Per kind: the share over the shipped threshold, and how well attacks are told from all harmless texts there."""
    score = _injection_score(shipped)
    threshold = shipped.threshold("prompt_injection", "INJECTION")
    scored: dict[tuple[int, str], list[float]] = defaultdict(list)
    for line in tqdm(path.read_text(encoding="utf-8").splitlines(), desc=path.stem):
        row = json.loads(line)
        scored[row["label"], row["kind"]].append(score(row["text"]))
    harmless = [value for (label, _), values in scored.items() if not label for value in values]
    scored[1, "all attacks"] = [value for (label, _), values in scored.items() if label for value in values]
    return {
        kind: {"n": len(values), **_share(values, threshold, "over_threshold")}
        | (_separation(values, harmless) if label else {})
        for (label, kind), values in scored.items()
    }


def obfuscations(shipped: Shipped, rows: Sequence[Row], limit: int) -> Table:
    """Recall at the shipped threshold on the same attacks, plain and in each disguise that `views` undoes."""
    pool = [row.text for row in rows if isinstance(row, Attack) and row.label and row.kind == "direct"]
    pool = [text for text in pool if text.isascii() and 30 <= len(text) <= 400 and not unseen.calibrates(text)]
    texts = random.Random(SEED).sample(pool, min(limit, len(pool)))
    score = _injection_score(shipped)
    threshold = shipped.threshold("prompt_injection", "INJECTION")
    plain = [score(text) for text in texts]
    table: Table = {"plain": {"n": len(texts), **_share(plain, threshold, "recall")}}
    for name, disguise in tqdm(OBFUSCATIONS.items(), desc="obfuscations"):
        values = [score(disguise(text)) for text in texts]
        recall = _share(values, threshold, "recall")
        lost = sum(value >= threshold for value in plain) - sum(value >= threshold for value in values)
        table[name] = {"n": len(texts), **recall, "points_lost": 100 * lost / len(texts)}
    return table


def toxicity(shipped: Shipped, rows: Sequence[Row], limit: int) -> Table:
    """Per label: AUC and average precision; harmful against clean; false positives on clean prompts."""
    found: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    rule = shipped.rules["toxicity"]
    clean_over, clean = 0, 0
    for source, items in tqdm(unseen.toxicity(rows, limit, calibration=False).items(), desc="toxicity"):
        for item in items:
            scores = _toxicity_scores(shipped, item)
            over = any(score >= shipped.threshold(rule.name, label) for label, score in scores.items())
            if source == "clean_assistant_prompts":
                clean, clean_over = clean + 1, clean_over + over
            for label, truth in zip(TOXICITY, item.labels, strict=True):
                if truth is not None and (truth <= 0.2 or truth >= 0.5):
                    found[f"{label} in {source}"][truth < 0.5].append(scores[label])
                    found[f"{label} in all sources"][truth < 0.5].append(scores[label])
    table: Table = {}
    for name, (yes, no) in sorted(found.items()):
        if len(yes) >= 10 and len(no) >= 10:
            table[name] = {
                "n": len(yes) + len(no),
                "auc": metrics.auc(yes, no),
                "average_precision": metrics.average_precision(yes, no),
            }
    low, high = metrics.wilson(clean_over, clean)
    table["clean prompts over a threshold"] = {
        "n": clean,
        "share": clean_over / max(clean, 1),
        "low": low,
        "high": high,
    }
    return table


def entities(shipped: Shipped, rows: Sequence[Row], limit: int) -> Table:
    """Per source and type: precision, recall and F1 of exact spans."""
    rule = shipped.entity_rule(ENTITY_LABELS)
    table: Table = {}
    for source, items in tqdm(unseen.entities(rows, limit, calibration=False).items(), desc="entities"):
        gold, found = [], []
        for item in items:
            kept = shipped.scan(item.text, [rule]).results[0].findings
            known = item.annotated & set(ENTITY_LABELS)
            gold.append({span for span in item.spans if span[2] in known})
            found.append({(hit.span.start, hit.span.end, hit.label) for hit in kept if hit.label in known})
        for label, scores in metrics.span_f1(gold, found).items():
            table[f"{label} in {source}"] = dict(scores)
    return table


def without_capitals(rows: Sequence[Row]) -> Sequence[Row]:
    """Those with names, as who does not care for capitals writes them."""
    tagged = [row for row in rows if isinstance(row, Tagged) and len(row.text.lower()) == len(row.text)]
    return [replace(row, text=row.text.lower()) for row in tagged]


def personal_data(shipped: Shipped, limit: int) -> Table:
    """Per entity: F1 of the service's `pii`, and of presidio alone with its default recognizers, on the same texts."""
    made = personal_documents.documents(3 * limit, SEED)
    gold = [spans for _, spans in made]
    labels = list(personal_documents.VALUES)
    rule = shipped.entity_rule(labels)
    presidio = plain_presidio()
    ours, theirs = [], []
    for text, _ in tqdm(made, desc="personal data"):
        kept = shipped.scan(text, [rule]).results[0].findings
        ours.append({(hit.span.start, hit.span.end, hit.label) for hit in kept})
        theirs.append({(hit.start, hit.end, hit.entity_type) for hit in presidio(text)})
    mine, others = metrics.span_f1(gold, ours), metrics.span_f1(gold, theirs)
    return {
        label: {
            "n": int(mine[label]["spans"]),
            **{key: mine[label][key] for key in ("precision", "recall", "f1")},
            **{f"presidio_{key}": others.get(label, {}).get(key, 0.0) for key in ("precision", "recall", "f1")},
        }
        for label in labels
        if label in mine
    }


def plain_presidio() -> Callable[[str], Sequence[RecognizerResult]]:
    """presidio as it comes, on a pipeline without a model; only its look-ups over the network are kept from it."""
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    engine = SpacyNlpEngine()
    engine.nlp = {"en": spacy.blank("en")}
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
    return lambda text: analyzer.analyze(text, "en")


def _injection_score(shipped: Shipped) -> Callable[[str], float]:
    rule = shipped.rules["prompt_injection"]
    return lambda text: highest(shipped.findings(text, [rule])[rule.name], "INJECTION")


def _toxicity_scores(shipped: Shipped, item: Toxic) -> dict[str, float]:
    rule = shipped.rules["toxicity"]
    findings = shipped.findings(item.text, [rule])[rule.name]
    return {label: highest(findings, label) for label in TOXICITY}


def _share(values: Sequence[float], threshold: float, name: str) -> dict[str, float]:
    over = sum(value >= threshold for value in values)
    low, high = metrics.wilson(over, len(values))
    return {name: over / len(values), "low": low, "high": high}


def _separation(yes: Sequence[float], no: Sequence[float]) -> dict[str, float]:
    rng = random.Random(SEED)
    resampled = sorted(metrics.auc(rng.choices(yes, k=len(yes)), rng.choices(no, k=len(no))) for _ in range(RESAMPLES))
    return {
        "auc": metrics.auc(yes, no),
        "auc_low": resampled[RESAMPLES // 40],
        "auc_high": resampled[-RESAMPLES // 40 - 1],
        "recall_at_1_percent": metrics.recall_at_fpr(yes, no, 0.01),
        "recall_at_01_percent": metrics.recall_at_fpr(yes, no, 0.001),
        "negatives": len(no),
    }


def _print(table: Table) -> None:
    width = max(map(len, table), default=0)
    for name, row in table.items():
        cells = (f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items())
        print(f"  {name:<{width}}  {'  '.join(cells)}")


if __name__ == "__main__":
    main()
