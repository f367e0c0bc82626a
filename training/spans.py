"""Tags of tokens back to spans of characters."""

from __future__ import annotations

from collections.abc import Sequence

from training.rows import TAGS


def decode(tags: Sequence[int], offsets: Sequence[tuple[int, int]], text: str) -> set[tuple[int, int, str]]:
    """The entities of a text. The first piece of a word speaks for the word, so that no name is cut in two."""
    spans: list[list[object]] = []
    last = ""
    for name, start, end in words(tags, offsets, text):
        kind = name[2:]
        if kind and kind == last and name[0] == "I":
            spans[-1][1] = end
        elif kind:
            spans.append([start, end, kind])
        last = kind
    return {(int(str(a)), int(str(b)), str(kind)) for a, b, kind in spans}


def words(tags: Sequence[int], offsets: Sequence[tuple[int, int]], text: str) -> list[tuple[str, int, int]]:
    """(tag, start, end) of each word: pieces that touch and are letters or digits on both sides belong together."""
    found: list[tuple[str, int, int]] = []
    for tag, (start, end) in zip(tags, offsets, strict=True):
        touches = found and found[-1][2] == start
        if touches and text[start - 1].isalnum() and text[start].isalnum():
            found[-1] = (found[-1][0], found[-1][1], end)
        else:
            found.append((TAGS[tag], start, end))
    return found
