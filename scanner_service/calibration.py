"""Choosing thresholds on harmless traffic, and what follows for attacks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LabelScores = Mapping[str, float]  # of one text: by label, its highest score

Z_95 = 1.96  # two-sided 95 %
DIGITS = 6  # of a threshold, which is written down and must stop the same texts when it is read again


def threshold_for(scores: Sequence[float], target_fpr: float) -> float:
    """
    The lowest threshold of `DIGITS` decimals at or above which at most the share *target_fpr* of *scores* lies; 1.0 if
    more of them than that are 1.0.

    Args:
        scores: of harmless texts, 0 to 1, at least one.
        target_fpr: at least 0 and under 1.

    Raises:
        ValueError: if there are no scores, or the share is out of range.
    """
    if not scores or not 0 <= target_fpr < 1:
        raise ValueError("a threshold needs scores and a share in [0, 1)")
    stopped = sorted(scores, reverse=True)[int(target_fpr * len(scores))]
    above = round(stopped, DIGITS)
    return min(1.0, above if above > stopped else round(above + 10**-DIGITS, DIGITS))


def wilson(hits: int, count: int, z: float = Z_95) -> tuple[float, float]:
    """The Wilson score interval of a share; (0, 1) if nothing was counted. Wilson, JASA 22 (1927), 209."""
    if count == 0:
        return 0.0, 1.0
    share, square = hits / count, z * z / count
    centre = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of some texts are stopped, with its 95 % interval."""

    hits: int
    count: int

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies with 95 % confidence."""
        return wilson(self.hits, self.count)

    def __str__(self) -> str:
        if not self.count:
            return "-"
        low, high = self.interval
        return f"{self.hits / self.count:.2%} of {self.count} ({low:.2%} to {high:.2%})"


def choose_thresholds(harmless: Sequence[LabelScores], labels: Sequence[str], target_fpr: float) -> dict[str, float]:
    """
    One threshold for each label, so that at most *target_fpr* of the *harmless* texts are stopped by any of them.

    All labels are given the same share, the largest that works: with one label it is the target itself.
    """
    low, high = 0.0, target_fpr
    chosen = _at(harmless, labels, high)
    if rate(harmless, chosen).hits <= target_fpr * len(harmless):
        return chosen
    for _ in range(20):
        middle = (low + high) / 2
        if rate(harmless, _at(harmless, labels, middle)).hits <= target_fpr * len(harmless):
            low = middle
        else:
            high = middle
    return _at(harmless, labels, low)


def rate(texts: Sequence[LabelScores], thresholds: Mapping[str, float]) -> Rate:
    """How many of *texts* reach the threshold of any label."""
    hits = sum(any(text.get(label, 0.0) >= at for label, at in thresholds.items()) for text in texts)
    return Rate(hits, len(texts))


def _at(harmless: Sequence[LabelScores], labels: Sequence[str], share: float) -> dict[str, float]:
    return {label: threshold_for([text.get(label, 0.0) for text in harmless], share) for label in labels}
