"""Figures of merit for scores and spans: pure functions over plain sequences."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from scanner_service.calibration import wilson

__all__ = ["auc", "average_precision", "recall_at_fpr", "span_f1", "threshold_at_fpr", "wilson"]

Tagged = tuple[int, int, str]  # start, end, type


def auc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """The chance that a positive scores above a negative, ties counting half. Raises `ValueError` without both."""
    if not positives or not negatives:
        raise ValueError("auc needs positives and negatives")
    ranked = sorted([(score, 1) for score in positives] + [(score, 0) for score in negatives])
    total, index = 0.0, 0
    while index < len(ranked):
        end = index
        while end < len(ranked) and ranked[end][0] == ranked[index][0]:
            end += 1
        mean_rank = (index + 1 + end) / 2
        total += mean_rank * sum(label for _, label in ranked[index:end])
        index = end
    count = len(positives)
    return (total - count * (count + 1) / 2) / (count * len(negatives))


def threshold_at_fpr(negatives: Sequence[float], rate: float) -> float:
    """The lowest observed score that at most the share `rate` of the negatives exceeds."""
    if not negatives:
        raise ValueError("a false-positive rate needs negatives")
    ordered = sorted(negatives, reverse=True)
    return ordered[min(int(rate * len(ordered)), len(ordered) - 1)]


def recall_at_fpr(positives: Sequence[float], negatives: Sequence[float], rate: float) -> float:
    """The share of positives above the threshold that lets at most `rate` of the negatives through."""
    if not positives:
        raise ValueError("recall needs positives")
    threshold = threshold_at_fpr(negatives, rate)
    return sum(score > threshold for score in positives) / len(positives)


def average_precision(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """The mean precision at each positive, from the highest score down; ties share the precision of their last."""
    if not positives:
        raise ValueError("average precision needs positives")
    ranked = sorted([(-score, 1) for score in positives] + [(-score, 0) for score in negatives])
    hits, total, index = 0, 0.0, 0
    while index < len(ranked):
        end = index
        while end < len(ranked) and ranked[end][0] == ranked[index][0]:
            end += 1
        here = sum(label for _, label in ranked[index:end])
        hits += here
        total += here * hits / end
        index = end
    return total / len(positives)


def span_f1(gold: Iterable[Collection[Tagged]], found: Iterable[Collection[Tagged]]) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of exact spans, per type, over texts in the same order."""
    counts: dict[str, list[int]] = {}
    for truth, guess in zip(gold, found, strict=True):
        for kind in {span[2] for span in (*truth, *guess)}:
            right = {span for span in truth if span[2] == kind}
            said = {span for span in guess if span[2] == kind}
            totals = counts.setdefault(kind, [0, 0, 0])
            for index, number in enumerate((len(right & said), len(said), len(right))):
                totals[index] += number
    return {kind: _scores(*totals) for kind, totals in sorted(counts.items())}


def _scores(hits: int, said: int, right: int) -> dict[str, float]:
    precision = hits / said if said else 0.0
    recall = hits / right if right else 0.0
    f1 = 2 * hits / (said + right) if said + right else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "spans": right}
