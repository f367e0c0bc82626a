"""Stage `card`: the model card, every figure of it from the files that the other stages wrote."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from training.rows import read_rows
from training.sources import Split

TEXT = Path(__file__).with_name("card.md")


def run(work: Path, out: Path, results: Path, split: Split) -> Path:
    """Writes `README.md` and the plots into the model's folder."""
    from training import plots  # needs matplotlib, the rest does not

    evaluation, calibration, quantization = (
        json.loads((results / f"guard_{name}.json").read_text(encoding="utf-8"))
        for name in ("evaluation", "calibration", "quantization")
    )
    attacks_now = evaluation["injection"]["attacks"]
    curves = evaluation["injection"]["curves"]
    plots.draw(out, curves["attacks"], curves["harmless"])
    rows = Counter(row.source for row in read_rows(work / "rows" / "train.jsonl.gz"))
    made = Counter(row.source for row in read_rows(work / "rows" / "generated.jsonl.gz"))
    target = out / "README.md"
    target.write_text(
        TEXT.read_text(encoding="utf-8").format(
            **goals(evaluation["injection"]["summary"]),
            sha256=evaluation["model"],
            limit=evaluation["texts_per_source_and_label"],
            megabytes=f"{quantization['bytes'] / 1e6:.1f}",
            quantization=pairs(quantization["against_fp32"]),
            licences=", ".join(sorted(split.licences)),
            trained=sources(split, rows),
            generated=table(("made by `augment`", "rows"), sorted(made.items())),
            held_out=", ".join(f"`{source.name}`" for source in split.unseen),
            attacks=attacks(attacks_now),
            novel=written(results, "novel", evaluation["model"]),
            blind=written(results, "blind", evaluation["model"]),
            earlier=earlier(results, {source.file for source in split.train}.difference(attacks_now)),
            known=known(evaluation["injection"]),
            ablations=ablations(results),
            harmless=harmless(evaluation["injection"]["harmless"]),
            toxicity=toxicity(evaluation["toxicity"]["sources"]),
            clean=clean(evaluation["toxicity"]["clean_prompts_over_threshold"]),
            long_toxic="{over} of {n}".format(**evaluation["toxicity"]["long_documents"]),
            identity=identity(evaluation["identity"]),
            entities=entities(evaluation["entities"]),
            temperatures=pairs({head: chosen["temperature"] for head, chosen in calibration.items()}),
            penalties=pairs({head: calibration[head]["penalty"] for head in ("injection", "toxicity")}),
            calibrated_on=calibration["injection"]["harmless_texts"],
        ),
        encoding="utf-8",
    )
    return target


def earlier(results: Path, trained_now: Set[str]) -> str:
    """What an earlier model made of sources that are trained on now; nothing where none was kept."""
    kept = results / "guard_evaluation_earlier.json"
    if not kept.exists():
        return ""
    figures = json.loads(kept.read_text(encoding="utf-8"))
    found = {name: r for name, r in figures["injection"]["attacks"].items() if name in trained_now}
    text = TEXT.with_name("card_earlier.md").read_text(encoding="utf-8")
    return text.format(
        sha256=figures["model"], attacks=attacks(found), **goals(figures["injection"]["summary"])
    ).strip()


def written(results: Path, name: str, model: str) -> str:
    """What the service's chain made of texts written to measure with, if that was measured with this model."""
    kept = results / "accuracy.json"
    figures = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {"model": ""}
    if figures["model"] != model:
        return "Not measured with this model: `python -m bench.accuracy`, then this stage again."
    head = ("kind", "n", "over the threshold", "95 %", "AUC", "recall at 1 % FPR")
    return table(
        head,
        [
            (
                kind,
                r["n"],
                percent(r["over_threshold"]),
                interval((r["low"], r["high"])),
                _maybe(r, "auc"),
                percent(r["recall_at_1_percent"]) if "auc" in r else "–",
            )
            for kind, r in figures[f"injection, {name} texts"].items()
        ],
    )


def ablations(results: Path) -> str:
    """One line for each brief training that differed in one thing, of now and earlier; nothing where none was run."""
    tables = {name: _variants(results / f"guard_{name}.json") for name in ("ablations", "ablations_earlier")}
    text = TEXT.with_name("card_ablations.md").read_text(encoding="utf-8")
    return text.format(**tables).strip() if any(tables.values()) else ""


def _variants(kept: Path) -> str:
    if not kept.exists():
        return ""
    found = json.loads(kept.read_text(encoding="utf-8"))
    names = list(dict.fromkeys(name for figures in found.values() for name in figures))
    return table(
        ("variant", *names),
        [(variant, *(_maybe(figures, name) for name in names)) for variant, figures in found.items()],
    )


def table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def interval(bounds: Sequence[float]) -> str:
    return f"{100 * bounds[0]:.1f}–{100 * bounds[1]:.1f}"


def pairs(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


def goals(summary: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{value:.3f}" if name == "mean_auc" else percent(value) for name, value in summary.items()}


def sources(split: Split, rows: Mapping[str, int]) -> str:
    lines = [
        (f"`{s.name}`", s.licence, "; ".join(f"{p}: {c}" for p, c in s.subtypes.items()), rows.get(s.file, 0))
        for s in split.train
    ]
    return table(("source", "licence class", "parts with their own class", "rows"), lines)


def attacks(found: Mapping[str, Any]) -> str:
    head = (
        "source",
        "n",
        "AUC",
        "recall at 1 % FPR",
        "at 0.1 %",
        "AUC, pooled negatives",
        "recall at 1 %, pooled",
        "recall at threshold",
        "95 %",
    )
    return table(
        head,
        [
            (
                name,
                r["n"],
                f"{r['auc']:.3f} ({r['negatives']})",
                percent(r["recall_at_1_percent"]),
                percent(r["recall_at_0.1_percent"]),
                f"{r['auc_pooled']:.3f}",
                percent(r["recall_at_1_percent_pooled"]),
                percent(r["share_over_threshold"]),
                interval(r["interval"]),
            )
            for name, r in found.items()
        ],
    )


def harmless(found: Mapping[str, Any]) -> str:
    head = ("source", "n", "false positives at threshold", "95 %")
    return table(
        head, [(name, r["n"], percent(r["share_over_threshold"]), interval(r["interval"])) for name, r in found.items()]
    )


def known(injection: Mapping[str, Any]) -> str:
    """The sources of which some texts say what trained ones say, and how the others fare."""
    head = ("source", "texts", "of known wording", "over the threshold", "of the others")
    return table(
        head,
        [
            (
                f"{name} ({kind})",
                r["n"],
                f"{r['known']} ({percent(r['known'] / r['n'])})",
                percent(r["share_over_threshold"]),
                percent(r["new_over_threshold"]) if "new_over_threshold" in r else "–",
            )
            for kind in ("attacks", "harmless")
            for name, r in injection[kind].items()
            if r["known"]
        ],
    )


def toxicity(found: Mapping[str, Any]) -> str:
    head = (
        "source",
        "label",
        "n",
        "AUC against clean prompts",
        "AUC against its own",
        "AP against its own",
        "recall at threshold",
    )
    return table(
        head,
        [
            (
                name,
                label,
                r["n"],
                _maybe(r, "auc_clean_prompts"),
                _maybe(r, "auc_own"),
                _maybe(r, "ap_own"),
                percent(r["recall_at_threshold"]),
            )
            for name, labels in found.items()
            for label, r in labels.items()
        ],
    )


def _maybe(figures: Mapping[str, float], name: str) -> str:
    return f"{figures[name]:.3f}" if name in figures else "–"


def clean(found: Mapping[str, Any]) -> str:
    return table(("label", "clean prompts", "over threshold"), [(k, r["n"], r["over"]) for k, r in found.items()])


def identity(found: Mapping[str, Any]) -> str:
    head = ("group", "harmless sentences", "called toxic", "95 %", "mean score")
    return table(head, [(k, r["n"], r["over"], interval(r["interval"]), f"{r['mean']:.3f}") for k, r in found.items()])


def entities(found: Mapping[str, Any]) -> str:
    head = ("source", "type", "spans", "precision", "recall", "F1")
    return table(
        head,
        [
            (name, kind, r["spans"], percent(r["precision"]), percent(r["recall"]), percent(r["f1"]))
            for name, kinds in found.items()
            for kind, r in kinds.items()
            if r["spans"]
        ],
    )
