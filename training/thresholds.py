"""Choosing a threshold on harmless traffic."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence


def threshold_for(scores: Sequence[float], target_fpr: float) -> float:
    """The lowest threshold at or above which at most the share `target_fpr` of harmless `scores` lies.

    Scores are probabilities. Raises `ValueError` without scores or for a rate outside [0, 1).
    """
    if not scores or not 0 <= target_fpr < 1:
        raise ValueError("threshold_for needs scores and a rate in [0, 1)")
    ordered = sorted(scores, reverse=True)
    allowed = int(target_fpr * len(ordered))
    highest_stopped = ordered[allowed]
    return min(1.0, math.nextafter(highest_stopped, 2.0))


def joint_thresholds(scores: Sequence[Sequence[float]], target_fpr: float) -> list[float]:
    """One threshold per label so that at most the share `target_fpr` of harmless texts reaches any of them.

    `scores` holds, per label, the probabilities of the same texts in the same order. Every label is allowed the same
    share, the largest that keeps all of them together within the target.
    """
    count = len(scores[0])
    for allowed in range(int(target_fpr * count), -1, -1):
        thresholds = [threshold_for(label, allowed / count) for label in scores]
        stopped = sum(any(map(operator.ge, text, thresholds)) for text in zip(*scores, strict=True))
        if stopped <= target_fpr * count:
            break
    return thresholds
