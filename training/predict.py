"""Logits of an exported model, window by window, as the service computes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from tqdm import tqdm

from scanner_service.inference.onnx import Session
from training.manifest import HEADS
from training.tokens import framed, shaped, windows

BATCH = 1  # as in the service: dynamic quantization takes one scale from the whole run
Logits = NDArray[np.float32]


class Model:
    """An ONNX file and its tokenizer."""

    def __init__(self, path: Path, tokenizer: Path) -> None:
        self.session = Session(path.read_bytes(), tuple(HEADS))
        self.tokenizer = Tokenizer.from_file(str(tokenizer))

    def windows(self, texts: Sequence[str], output: str) -> list[list[Logits]]:
        """For each text the logits of each of its windows: [labels], or [tokens, labels] without the framing."""
        encodings = self.encode(texts)
        given = [shaped(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]
        groups: dict[int, list[tuple[int, int]]] = defaultdict(list)
        ranges = [windows(len(encoding.ids)) for encoding in encodings]
        found: list[list[Logits]] = [[np.empty(0, np.float32)] * len(each) for each in ranges]
        for text, each in enumerate(ranges):
            for index, (start, end) in enumerate(each):
                groups[end - start].append((text, index))
        parts = [group[i : i + BATCH] for _, group in sorted(groups.items()) for i in range(0, len(group), BATCH)]
        for part in tqdm(parts, desc=output, mininterval=20, leave=False):
            ids = [framed(given[text][slice(*ranges[text][index])]) for text, index in part]
            logits = self.session.run(np.array(ids, dtype=np.int64))[output]
            for (text, index), row in zip(part, logits, strict=True):
                found[text][index] = row[1:-1] if row.ndim == 2 else row
        return found

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        encodings: list[Encoding] = self.tokenizer.encode_batch(list(texts))
        return encodings


def highest(found: Sequence[Sequence[Logits]], penalty: float = 0.0) -> NDArray[np.float64]:
    """The logits [texts, labels]: the maximum over the windows, less `penalty` times the logarithm of their number."""
    return np.array([np.max(each, axis=0) - penalty * np.log(len(each)) for each in found], dtype=np.float64)
