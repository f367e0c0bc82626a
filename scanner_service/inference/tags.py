"""The likeliest tags of the words of a text, taken together."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Shares = NDArray[np.float64]
Indices = NDArray[np.intp]

# What it costs, as the logarithm of a probability, to go on with an entity that has not begun. Not forbidden: models
# whose entities begin with `I-NAME` exist.
UNBEGUN = 2.0

# A word that is so surely none divides a text into stretches, each of which is read by itself.
SURE = 0.99


def likeliest(shares: Shares, labels: tuple[str, ...]) -> Indices:
    """
    The tag of each word, as an index into *labels*: the sequence with the highest product of probabilities, where
    each `I-NAME` that follows neither `B-NAME` nor `I-NAME` has its price (Viterbi 1967). A word alone is often between
    two names where those beside it are not.

    Args:
        shares: probabilities [words, labels].
        labels: `O`, `B-NAME` and `I-NAME`.
    """
    none = labels.index("O")
    price = _price(labels)
    best: Indices = shares.argmax(axis=1)
    if not price[np.append(none, best[:-1]), best].any():  # the usual case
        return best
    sure = np.flatnonzero(shares[:, none] >= SURE)
    for start, end in zip(np.append(0, sure + 1).tolist(), np.append(sure, len(shares)).tolist(), strict=True):
        if end > start:
            best[start:end] = _path(shares[start:end], price, none)
    return best


@cache
def _price(labels: tuple[str, ...]) -> Shares:
    """Of each step [before, after]."""
    begun = [[after[:2] != "I-" or before[2:] == after[2:] for after in labels] for before in labels]
    return np.where(begun, 0.0, UNBEGUN)


def _path(shares: Shares, price: Shares, none: int) -> list[int]:
    costs = -np.log(np.maximum(shares, 1e-12))
    reached, came = price[none] + costs[0], []
    for cost in costs[1:]:
        ways = reached[:, None] + price
        came.append(ways.argmin(axis=0))
        reached = ways.min(axis=0) + cost
    path = [int(reached.argmin())]
    for before in reversed(came):
        path.append(int(before[path[-1]]))
    return path[::-1]
