"""Texts for tests, made and written for them."""

import random
from pathlib import Path

_PARAGRAPHS = (Path(__file__).parent / "benign_paragraphs.txt").read_text(encoding="utf-8").strip().split("\n\n")


def benign_document(characters: int, seed: int = 0) -> str:
    """Harmless prose, at least this long: paragraphs of minutes, recipes, manuals, letters and stories, shuffled."""
    order, document = random.Random(seed), ""
    while len(document) < characters:
        document += "".join(f"{paragraph}\n\n" for paragraph in order.sample(_PARAGRAPHS, len(_PARAGRAPHS)))
    return document
