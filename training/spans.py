"""Logits of tokens back to spans of characters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scanner_service.inference.tags import likeliest
from training.rows import TAGS


def decode(logits: NDArray[np.floating], offsets: Sequence[tuple[int, int]], text: str) -> set[tuple[int, int, str]]:
    """
    The entities of a text, as the service reads them.

    The first piece of a word speaks for the word, so that no name is cut in two.

    Args:
        logits: of each token [tokens, tags].
        offsets: of each token, in characters.
        text: that the tokens are of.
    """
    found = words(offsets, text)
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True)).astype(np.float64)
    shares = (raised / raised.sum(axis=-1, keepdims=True))[[first for first, _, _ in found]]
    spans: list[tuple[int, int, str]] = []
    last = ""
    for index, (_, start, end) in zip(likeliest(shares, TAGS), found, strict=True):
        name, kind = TAGS[index], TAGS[index][2:]
        if kind and kind == last and name[0] == "I":
            spans[-1] = (spans[-1][0], end, kind)
        elif kind:
            spans.append((start, end, kind))
        last = kind
    return set(spans)


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
