"""
Rows that were written for this collection and stand beside this module.

`authored/*.jsonl` are attacks and harmless look-alikes, one object a line: `label`, `kind`, `text`, and `attack`, the
part of an indirect one that is meant for the model. `authored/*.txt` are sentences with their names marked, as in
`[PERSON Ann Lee] works for [ORGANIZATION Acme].` What they say of people and organizations that exist is made up.
`authored/clean/*.txt` are texts without any toxicity, one a line, which name those whom toxic ones are often about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from training.rows import ENTITIES, NONE, Attack, Row, Tagged, Toxic

FOLDER = Path(__file__).with_name("authored")
_MARK = re.compile(r"\[(" + "|".join(ENTITIES) + r") ([^\]]+)\]")


def rows() -> list[Row]:
    """All of them, in the order of the files."""
    return [*attacks(), *tagged(), *clean()]


def attacks() -> Iterator[Attack]:
    for path in sorted(FOLDER.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            raw = json.loads(line)
            text, part = raw["text"], raw.get("attack")
            start = text.index(part) if part else 0
            source = "authored_attack" if raw["label"] else "authored_harmless"
            yield Attack(text, source, raw["label"], raw["kind"], (start, start + len(part)) if part else None)


def tagged() -> Iterator[Tagged]:
    for path in sorted(FOLDER.glob("*.txt")):
        yield from map(unmarked, path.read_text(encoding="utf-8").splitlines())


def clean() -> Iterator[Toxic]:
    for path in sorted(FOLDER.glob("clean/*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield Toxic(line, "authored_clean", NONE)


def unmarked(line: str) -> Tagged:
    """The sentence without its marks, and where they stood."""
    text, spans, last = "", [], 0
    for mark in _MARK.finditer(line):
        text += line[last : mark.start()]
        spans.append((len(text), len(text) + len(mark[2]), mark[1]))
        text, last = text + mark[2], mark.end()
    return Tagged(text + line[last:], "authored_tagged", tuple(spans), frozenset(ENTITIES))
