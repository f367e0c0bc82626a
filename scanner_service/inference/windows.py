"""
Long texts in overlapping windows of equal length, and what the logits of all windows say about the text.

How the windows of a text form its score. Each window gives its own predictions, and a rule acts on the highest.
The highest of many noisy logits grows with their number, though nothing in the text does: a long benign text would
turn positive merely by having many windows. So a head may have a `window_penalty` c, fitted on long benign texts, and
every window of a text with n windows scores

    sigmoid((logit - c · ln n) / temperature)

ln n, because the highest of n values with an exponential upper tail, which logits of benign texts have, grows by its
scale times ln n. A text of one window pays nothing; a true attack has logits that afford the price. For softmax heads
the logit is that of the label against all others: the logarithm of p / (1 - p).

A token classifier tags each token once, in the window in which it is farther from the border. The first piece of a
word speaks for the word, `inference.tags` makes sense of the words together, and no penalty is due: each entity is a
finding of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from scanner_service.inference.manifest import UNINTELLIGIBLE, Head
from scanner_service.inference.tags import likeliest
from scanner_service.inference.tokenizer import Flags, Ints, Tokens
from scanner_service.scanner import Prediction
from scanner_service.text import Span

Floats = NDArray[np.float32]

DIGITS = 6  # of a score; rounded here, so that what is judged is what is answered


def starts(count: int, size: int, overlap: int) -> Ints:
    """
    Where the windows over *count* tokens start.

    All windows of a text are equally long, `min(count, size)`: the last one is moved back, not shortened.

    Args:
        count: tokens of the text; none gives no windows.
        size: tokens in a window.
        overlap: tokens that neighbours share at least, less than *size*.
    """
    if count <= size:
        return np.zeros(min(count, 1), dtype=np.int64)
    return np.append(np.arange(0, count - size, size - overlap), count - size)


def rows(ids: Ints, at: Ints, size: int, prefix: Sequence[int], suffix: Sequence[int]) -> Ints:
    """The windows that start *at* as the model reads them, framed: [windows, tokens]."""
    size = min(size, len(ids))
    framed = np.empty((len(at), len(prefix) + size + len(suffix)), dtype=np.int64)
    framed[:, : len(prefix)] = prefix
    framed[:, len(prefix) : len(prefix) + size] = ids[at[:, None] + np.arange(size)]
    framed[:, len(prefix) + size :] = suffix
    return framed


def spans(tokens: Tokens, at: Ints, size: int) -> list[Span]:
    """The characters that each window covers."""
    last = at + min(size, len(tokens)) - 1
    return [Span(a, b) for a, b in zip(tokens.starts[at].tolist(), tokens.ends[last].tolist(), strict=True)]


def scores(head: Head, logits: Floats) -> NDArray[np.float64]:
    """The calibrated scores [windows, labels] of a sequence head with *logits* of that shape, penalty included."""
    calibrated = logits.astype(np.float64) / head.temperature
    if head.activation == "softmax":
        others = [np.delete(calibrated, index, axis=1) for index in range(len(head.labels))]
        calibrated = calibrated - np.stack([np.logaddexp.reduce(other, axis=1) for other in others], axis=1)
    return np.round(_sigmoid(calibrated - head.window_penalty / head.temperature * math.log(len(logits))), DIGITS)


def sequence_predictions(head: Head, logits: Floats, covered: Sequence[Span]) -> list[Prediction]:
    """One prediction for each window and label; *covered* are the characters of each window."""
    return [
        Prediction(label, score, span)
        for span, row in zip(covered, scores(head, logits).tolist(), strict=True)
        for label, score in zip(head.labels, row, strict=True)
    ]


def unintelligible(tokens: Tokens, at: Ints, size: int, covered: Sequence[Span]) -> list[Prediction]:
    """
    For each window with unknown tokens, a prediction `UNINTELLIGIBLE`.

    Its score is the share of unknown tokens' characters among those of all tokens. A classifier says nothing about
    characters that it cannot read, so a policy that should not let them pass holds this label against a threshold.
    """
    if not tokens.unknown.any():
        return []
    lengths = tokens.ends - tokens.starts
    total = np.append(0, np.cumsum(lengths))
    unread = np.append(0, np.cumsum(np.where(tokens.unknown, lengths, 0)))
    end = at + min(size, len(tokens))
    shares = np.round((unread[end] - unread[at]) / np.maximum(total[end] - total[at], 1), DIGITS)
    return [
        Prediction(UNINTELLIGIBLE, share, span)
        for share, span in zip(shares.tolist(), covered, strict=True)
        if share > 0
    ]


def token_predictions(head: Head, logits: Floats, tokens: Tokens, at: Ints) -> list[Prediction]:
    """
    One prediction for each entity, from the first character of a word to the last of a word.

    The score is the mean over its words of the probability that the word belongs to an entity of that name.

    Args:
        head: whose labels are `O`, `B-NAME` and `I-NAME`.
        logits: [windows, tokens, labels], without those of the frame.
        tokens: of the whole text.
        at: the first token of each window.
    """
    first = np.flatnonzero(tokens.begins)
    ends = tokens.ends[np.append(first[1:], len(tokens)) - 1]
    words = _softmax(_joined(logits, at)[first] / head.temperature)
    names, name_of, begin = _names(head.labels)
    best = likeliest(words, head.labels)
    name = name_of[best]
    if not name.any():  # the usual case
        return []
    begins = begin[best]
    changes = np.append(True, name[1:] != name[:-1])
    opens = np.flatnonzero((name > 0) & (changes | begins))
    closes = np.flatnonzero((name > 0) & np.append(changes[1:] | begins[1:], True))
    belongs = (words * (name_of[None, :] == name[:, None])).sum(axis=1)
    total = np.append(0, np.cumsum(belongs))
    means = np.round(np.minimum(1.0, (total[closes + 1] - total[opens]) / (closes + 1 - opens)), DIGITS)
    return [
        Prediction(names[index], score, Span(start, end))
        for index, score, start, end in zip(
            name[opens].tolist(),
            means.tolist(),
            tokens.starts[first[opens]].tolist(),
            ends[closes].tolist(),
            strict=True,
        )
    ]


@cache
def _names(labels: tuple[str, ...]) -> tuple[Sequence[str], Ints, Flags]:
    """The names that tags have, `O` first; and of each tag which of them it is, and whether it begins one."""
    names = ["O", *sorted({label[2:] for label in labels if label != "O"})]
    name_of = [names.index(label.removeprefix("B-").removeprefix("I-")) for label in labels]
    return names, np.array(name_of), np.array([label.startswith("B-") for label in labels])


def _joined(logits: Floats, at: Ints) -> NDArray[np.float64]:
    """One row of logits for each token of the text, from the window in which it is farther from the border."""
    size = logits.shape[1]
    cuts = np.append((at[1:] + at[:-1] + size) // 2, at[-1] + size)  # the middle of what two neighbours share
    begins = np.append(0, cuts[:-1])
    parts = [logits[index, begins[index] - at[index] : cuts[index] - at[index]] for index in range(len(at))]
    return np.concatenate(parts).astype(np.float64)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    # Written with tanh because exp overflows.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))
