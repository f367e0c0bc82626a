"""One loaded model: text to rows of token ids, outputs to predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scanner_service.errors import ModelError
from scanner_service.inference import windows
from scanner_service.inference.manifest import UNINTELLIGIBLE, Head, ModelEntry
from scanner_service.inference.onnx import Floats, Session
from scanner_service.inference.tokenizer import Ints, TextTokenizer, Tokens
from scanner_service.inference.word_shapes import word_shapes
from scanner_service.scanner import Prediction
from scanner_service.text import Span


@dataclass(frozen=True, slots=True)
class Reading:
    """
    A text as a model reads it.

    Attributes:
        text: as it was given.
        tokens: of the whole text.
        at: the first token of each window.
        rows: the windows with their frame, [windows, tokens].
    """

    text: str
    tokens: Tokens
    at: Ints
    rows: Ints


class Classifier:
    """
    A model with its tokenizer, warmed up. Its methods take their time and belong in a thread.

    Args:
        entry: what the manifest says.
        model: content of the ONNX file.
        tokenizer: content of the `tokenizer.json`.

    Raises:
        ModelError: if the files do not work, or are not what the manifest says.
    """

    def __init__(self, entry: ModelEntry, model: bytes, tokenizer: bytes) -> None:
        self.entry = entry
        self._reports_unread = UNINTELLIGIBLE in entry.labels()
        self.session = Session(model, [head.output for head in entry.heads])
        self._tokenizer = TextTokenizer(tokenizer)
        self._size = entry.window_tokens - len(self._tokenizer.prefix) - len(self._tokenizer.suffix)
        # A short row and two full windows: what the first requests would otherwise wait for, and every shape checked.
        for text in ("a", "a " * (entry.window_tokens + 1)):
            reading = self.read(text)
            self.judge(reading, self.session.run(reading.rows))

    def read(self, text: str) -> Reading:
        """The windows of *text*; none if it has no tokens."""
        tokens = self._tokenizer.encode(text)
        at = windows.starts(len(tokens), self._size, self.entry.overlap_tokens)
        ids = tokens.ids
        if self.entry.shape_stride is not None:
            ids = ids + self.entry.shape_stride * word_shapes(text, tokens.starts, tokens.ends, tokens.begins)
        rows = windows.rows(ids, at, self._size, self._tokenizer.prefix, self._tokenizer.suffix)
        return Reading(text, tokens, at, rows)

    def unread(self, text: str) -> list[Prediction]:
        """What is said about a text without tokens: unintelligible, unless it is blank."""
        if not text.strip() or not self._reports_unread:
            return []
        return [Prediction(UNINTELLIGIBLE, 1.0, Span(0, len(text)))]

    def judge(self, reading: Reading, outputs: Mapping[str, Floats]) -> Sequence[Prediction]:
        """
        What the *outputs* of all windows of *reading* say.

        Raises:
            ModelError: if an output is not finite, or does not have the shape that the manifest says.
        """
        covered = windows.spans(reading.tokens, reading.at, self._size)
        predictions: list[Prediction] = []
        for head in self.entry.heads:
            logits = self._logits(head, reading, outputs)
            if head.kind == "token":
                predictions += windows.token_predictions(head, logits, reading.tokens, reading.at)
            else:
                predictions += windows.sequence_predictions(head, logits, covered)
        if self._reports_unread:
            predictions += windows.unintelligible(reading.tokens, reading.at, self._size, covered)
        return predictions

    def _logits(self, head: Head, reading: Reading, outputs: Mapping[str, Floats]) -> Floats:
        logits = outputs[head.output]
        shape = (*reading.rows.shape[: 2 if head.kind == "token" else 1], len(head.labels))
        if logits.shape != shape:
            raise ModelError(f"output `{head.output}` has the shape {logits.shape} where the manifest says {shape}")
        if not np.isfinite(logits).all():  # compared to a threshold, what is no number would look harmless
            raise ModelError(f"output `{head.output}` is not finite")
        if head.kind == "sequence":
            return logits
        first = len(self._tokenizer.prefix)
        return logits[:, first : logits.shape[1] - len(self._tokenizer.suffix)]
