"""Choosing a threshold on harmless traffic."""

from __future__ import annotations

import math
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
