"""Which windows of a long text are trained on.

The place of an attack in a long positive is mostly unknown: calling all of its windows attacks would teach the model
to shout at harmless text. In the first round wording decides, later the model: its highest-scoring window.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from tokenizers import Encoding

from training.batches import holding
from training.rows import Attack

NEGATIVES = 2
LOOKED_AT = 2  # windows of a harmless text among which the worst is sought
SUSPICIOUS = re.compile(
    r"ignor|disregard|forget|instruction|instead|previous|system|prompt|assistant|\bAI\b|urgent|important|attention|"
    r"command|task|execute|immediately|must|directive|follow|override|secret|reveal|now\b",
    re.IGNORECASE,
)
Ranges = Sequence[tuple[int, int]]
Score = Mapping[tuple[str, int], float]  # (text, window) to logit


def candidates(row: Attack, ranges: Ranges, encoding: Encoding, rng: random.Random) -> list[int]:
    """The windows among which the model would have to choose; empty when there is nothing to choose."""
    found = holding(row, list(ranges), encoding)
    if len(found) == 1 or row.span or not (row.label or len(found) > LOOKED_AT):
        return []
    return found if row.label else rng.sample(found, LOOKED_AT)


def by_wording(row: Attack, ranges: Ranges, encoding: Encoding, rng: random.Random) -> list[int]:
    """First round: where the attack is known to stand, or where its wording is; the first window of a jailbreak."""
    found = holding(row, list(ranges), encoding)
    if not row.label:
        return rng.sample(found, min(NEGATIVES, len(found)))
    if row.span:
        return [rng.choice(found)]
    if row.kind != "indirect":
        return [0]
    offsets = encoding.offsets
    hits = [len(SUSPICIOUS.findall(row.text[offsets[ranges[i][0]][0] : offsets[ranges[i][1] - 1][1]])) for i in found]
    return [found[hits.index(max(hits))]]


def by_score(score: Score) -> Callable[[Attack, Ranges, Encoding, random.Random], list[int]]:
    """Later rounds: the highest-scoring window of an attack; of a harmless text that one and a random one."""

    def choose(row: Attack, ranges: Ranges, encoding: Encoding, rng: random.Random) -> list[int]:
        scored = [i for i in range(len(ranges)) if (row.text, i) in score]
        if not scored:
            return by_wording(row, ranges, encoding, rng)
        best = max(scored, key=lambda i: score[row.text, i])
        return [best] if row.label else sorted({best, rng.randrange(len(ranges))})

    return choose
