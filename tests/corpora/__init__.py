"""Texts for tests, made and written for them."""

import random
from pathlib import Path

_SENTENCES = (Path(__file__).parent / "benign_sentences.txt").read_text(encoding="utf-8").splitlines()


def benign_document(characters: int, seed: int = 0) -> str:
    """Harmless prose in paragraphs, at least this long: the sentences in an order of their own for each seed."""
    order, paragraphs = random.Random(seed), []
    while sum(map(len, paragraphs)) < characters:
        paragraphs.append(" ".join(order.sample(_SENTENCES, 6)) + "\n\n")
    return "".join(paragraphs)
