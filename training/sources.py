"""Which files may be trained on: the licence table of `sources.toml`, filtered and split by whole sources."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TABLE = Path(__file__).with_name("sources.toml")


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the data folder; `name` is `task/file`, as in the table."""

    task: str
    file: str
    licence: str
    weight: float = 1.0
    subtypes: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        return f"{self.task}/{self.file}"

    def licence_of(self, subtype: str | None) -> str:
        """The licence class of a row: that of its part of a mixed file, else that of the file."""
        for prefix, licence in self.subtypes.items():
            if subtype and subtype.startswith(prefix):
                return licence
        return self.licence

    def classes(self) -> frozenset[str]:
        return frozenset({self.licence, *self.subtypes.values()})


@dataclass(frozen=True, slots=True)
class Split:
    """Sources to train on and sources never seen; `licences` decides row by row inside mixed files."""

    licences: frozenset[str]
    held_out: frozenset[str]
    train: tuple[Source, ...]
    unseen: tuple[Source, ...]

    def admits(self, source: Source, subtype: str | None) -> bool:
        return source in self.train and source.licence_of(subtype) in self.licences


@dataclass(frozen=True, slots=True)
class Table:
    licences: frozenset[str]
    held_out: frozenset[str]
    sources: tuple[Source, ...]


def read_table(path: Path = TABLE) -> Table:
    """The table with its default licence classes and held-out sources."""
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    sources = tuple(
        Source(task, file, **fields) for task, files in raw["sources"].items() for file, fields in files.items()
    )
    return Table(frozenset(raw["licences"]), frozenset(raw["held_out"]), sources)


def split(table: Table, licences: Collection[str] = (), held_out: Collection[str] = ()) -> Split:
    """Train on sources with a chosen licence class that are not held out; everything else is unseen.

    Raises `ValueError` for a held-out name or a licence class that the table does not know.
    """
    chosen = frozenset(licences) or table.licences
    hidden = frozenset(held_out) or table.held_out
    if unknown := hidden - {source.name for source in table.sources}:
        raise ValueError(f"unknown sources: {sorted(unknown)}")
    if unknown := chosen - frozenset().union(*(source.classes() for source in table.sources)):
        raise ValueError(f"unknown licence classes: {sorted(unknown)}")
    train = tuple(s for s in table.sources if s.name not in hidden and s.classes() & chosen)
    whole = {s for s in train if s.classes() <= chosen}
    return Split(chosen, hidden, train, tuple(s for s in table.sources if s not in whole))
