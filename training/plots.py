"""The model card's pictures: ROC curve, reliability, score histogram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt


def draw(out: Path, attacks: Sequence[float], harmless: Sequence[float]) -> None:
    """Writes `roc.png`, `calibration.png` and `scores.png` of the injection head into `out`."""
    yes, no = np.array(attacks), np.array(harmless)
    limits = np.unique(np.concatenate([yes, no, [0.0, 1.01]]))[::-1]
    figure, axes = plt.subplots(figsize=(4, 3))
    axes.plot([(no >= t).mean() for t in limits], [(yes >= t).mean() for t in limits])
    axes.set(
        xscale="log", xlim=(5e-4, 1), xlabel="false-positive rate", ylabel="recall", title="injection, unseen sources"
    )
    _save(figure, out / "roc.png")

    figure, axes = plt.subplots(figsize=(4, 3))
    scores = np.concatenate([yes, no])
    truth = np.concatenate([np.ones(len(yes)), np.zeros(len(no))])
    weight = np.concatenate([np.full(len(yes), 0.5 / len(yes)), np.full(len(no), 0.5 / len(no))])
    bins = np.clip((scores * 10).astype(int), 0, 9)
    found = [
        (np.average(scores[m], weights=weight[m]), np.average(truth[m], weights=weight[m]))
        for b in range(10)
        if (m := bins == b).any()
    ]
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    axes.plot(*zip(*found, strict=True), marker="o")
    axes.set(xlabel="score", ylabel="share of attacks", title="both classes weighted alike")
    _save(figure, out / "calibration.png")

    figure, axes = plt.subplots(figsize=(4, 3))
    axes.hist([no, yes], bins=25, density=True, label=["harmless", "attacks"])
    axes.set(yscale="log", xlabel="score")
    axes.legend()
    _save(figure, out / "scores.png")


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)
