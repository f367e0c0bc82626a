"""Logits of tokens back to spans of characters."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from scanner_service.inference.tags import likeliest
from training.rows import ENTITIES, TAGS

TagSpan = tuple[int, int, str]

_OF_TYPE = {kind: [index for index, tag in enumerate(TAGS) if tag[2:] == kind] for kind in ENTITIES}


def decode(
    logits: NDArray[np.floating], offsets: Sequence[tuple[int, int]], text: str, temperature: float = 1.0
) -> dict[TagSpan, float]:
    """
    The entities of a text, as the service reads them, with their scores: the mean probability of the type over words.

    The first piece of a word speaks for the word, so that no name is cut in two.

    Args:
        logits: of each token [tokens, tags].
        offsets: of each token, in characters.
        text: that the tokens are of.
        temperature: the logits are divided by it.
    """
    found = words(offsets, text)
    shares = probabilities(logits[[first for first, _, _ in found]], temperature)
    spans: list[tuple[TagSpan, list[float]]] = []
    last = ""
    for index, share, (_, start, end) in zip(likeliest(shares, TAGS), shares, found, strict=True):
        name, kind = TAGS[index], TAGS[index][2:]
        belongs = float(share[_OF_TYPE[kind]].sum()) if kind else 0.0
        if kind and kind == last and name[0] == "I":
            (begun, _, _), scores = spans[-1]
            spans[-1] = ((begun, end, kind), [*scores, belongs])
        elif kind:
            spans.append(((start, end, kind), [belongs]))
        last = kind
    return {span: fmean(scores) for span, scores in spans}


def probabilities(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Of each tag, [words, tags]."""
    raised = np.exp((logits - logits.max(axis=-1, keepdims=True)).astype(np.float64) / temperature)
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def words(offsets: Sequence[tuple[int, int]], text: str) -> list[tuple[int, int, int]]:
    """(first piece, start, end) of each word: pieces that touch and are letters or digits on both sides are one."""
    found: list[tuple[int, int, int]] = []
    for index, (start, end) in enumerate(offsets):
        touches = found and found[-1][2] == start
        if touches and text[start - 1].isalnum() and text[start].isalnum():
            found[-1] = (*found[-1][:2], end)
        else:
            found.append((index, start, end))
    return found
