"""What one round trains on: rows drawn by source, so that no source dominates."""

from __future__ import annotations

import random
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from training.noise import disturb
from training.rows import Attack, Row, Tagged, Toxic
from training.sources import TABLE, Table

ROUND = {"attack": 30_000, "harmless": 40_000, "toxicity": 20_000, "entities": 60_000}  # rows drawn in a round
TEMPERATURE = 0.5  # the share of a source grows with this power of its size
DISTURBED = {"attack": 0.2, "harmless": 0.15, "toxicity": 0.08, "entities": 0.0}
CARRIER = "carrier"  # as it is, like its counterparts with an attack, whose place is known


def group(row: Row) -> str:
    if isinstance(row, Attack):
        return "attack" if row.label else "harmless"
    return "toxicity" if isinstance(row, Toxic) else "entities"


def weights(table: Table) -> dict[str, float]:
    """The weight of every source by the name that its rows carry."""
    generated: dict[str, float] = tomllib.loads(TABLE.read_text(encoding="utf-8"))["generated"]
    return {source.file: source.weight for source in table.sources} | generated


def shares(sizes: Mapping[str, int], weight: Mapping[str, float], total: int) -> dict[str, int]:
    """How many rows each source gives; no more than it has, what it lacks goes to the others."""
    given: dict[str, int] = {}
    open_sources = dict(sizes)
    while open_sources:
        mass = {name: weight[name] * size**TEMPERATURE for name, size in open_sources.items()}
        unit = (total - sum(given.values())) / sum(mass.values())
        full = [name for name, size in open_sources.items() if mass[name] * unit >= size]
        if not full:
            return given | {name: int(value * unit) for name, value in mass.items()}
        for name in full:
            given[name] = open_sources.pop(name)
    return given


def draw(
    rows: Sequence[Row],
    weight: Mapping[str, float],
    number: int,
    seed: int,
    scale: float,
    disturbed: Mapping[str, float] = DISTURBED,
) -> list[Row]:
    """The rows of round `number`: each source goes on where its last round stopped."""
    groups: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[group(row)][row.source].append(row)
    rng = random.Random(seed * 1_000 + number)
    drawn: list[Row] = []
    for name, by_source in sorted(groups.items()):
        sizes = {source: len(members) for source, members in by_source.items()}
        for source, count in shares(sizes, weight, round(ROUND[name] * scale)).items():
            members = by_source[source]
            random.Random(f"{seed} {name} {source}").shuffle(members)
            first = number * count
            chosen = [members[(first + i) % len(members)] for i in range(count)]
            drawn.extend(varied(row, disturbed[name], rng) for row in chosen)
    return drawn


def varied(row: Row, share: float, rng: random.Random) -> Row:
    """Sometimes the row with a change of form; never one in which places are known."""
    placed = isinstance(row, Tagged) or row.source == CARRIER or (isinstance(row, Attack) and row.span)
    if placed or rng.random() >= share:
        return row
    return replace(row, text=disturb(row.text, rng))
