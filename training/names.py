"""Names to fill sentences with: organizations that exist, names that the training rows mention, and made-up ones from
many countries."""

from __future__ import annotations

import random
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from faker import Faker
from pytickersymbols import PyTickerSymbols

from training.rows import Row, Tagged

# Not en_US, whose names `bench.personal_documents` measures with.
LOCALES = (
    *("en_GB", "en_IN", "en_NZ", "en_IE", "de_DE", "de_AT", "fr_FR", "es_ES", "es_MX", "it_IT", "pt_BR", "nl_NL"),
    *("pl_PL", "cs_CZ", "ro_RO", "hr_HR", "sv_SE", "da_DK", "fi_FI", "tr_TR", "hu_HU"),
)
PERSONS = ("{F} {L}", "{F} {L}", "{F} {L}", "{F}", "{L}", "{I}. {L}", "{F} {I}. {L}", "{I}. {I}. {L}", "{F} {L}-{L}")
PLACES = (
    *("{C}", "{C}", "{C}", "{C}", "North {C}", "South {C}", "West {C}", "New {C}", "Lake {L}", "Mount {L}"),
    *("{L} County", "{C} Bay", "{L} River", "{L} Street", "Port {L}", "{L} Island", "{C} Valley", "St. {F}"),
)
ORGANIZATIONS = (
    *("{L} Inc", "{L} Inc.", "{L} Ltd", "{L} Corp", "{L} Corp.", "{L} & Co", "{L} & {L}", "{L} and Sons", "{L} Group"),
    *("{L} Holdings", "{L} Technologies", "{L} Pharmaceuticals", "{L} Partners", "{L} Foundation", "{L} Airlines"),
    *("{L} Energy", "{L} Systems", "{L} Motors", "{L} Securities", "{L} Records", "{L} Institute", "{L} AG", "{L} PLC"),
    *("Bank of {C}", "University of {C}", "{C} University", "{L} College", "{C} High School", "{C} General Hospital"),
    *("{C} City Council", "{C} Police Department", "{C} Chamber of Commerce", "{C} Stock Exchange", "{C} Museum"),
    *("{C} Times", "{C} Herald", "{C} Post", "{C} Symphony Orchestra", "{C} Central Bank", "{C} Labour Party"),
    *("Ministry of {W}", "Department of {W}", "Committee on {W}", "National {W} Agency", "{C} {W} Association"),
)
MATTERS = ("Health", "Education", "Transport", "Finance", "Energy", "Agriculture", "Justice", "Labour", "Defence")
TEAMS = ("{C}", "{C}", "{C}", "{C}", "{C} United", "{C} City", "FC {C}", "{C} FC", "{C} Rovers", "Real {C}")
_PART = re.compile(r"\{([A-Z])\}")


class Names:
    """
    Draws names.

    Args:
        rows: whose names are drawn too.
        rng: decides everything.
    """

    def __init__(self, rows: Sequence[Row], rng: random.Random) -> None:
        self._known, self._existing, self._rng = mentions(rows), existing(), rng
        self._fake = [Faker(locale) for locale in LOCALES]
        for fake in self._fake:
            fake.seed_instance(rng.getrandbits(32))

    def draw(self, kind: str) -> str:
        """A name of *kind*: an entity type, or `TEAM`, an organization that is called like its town."""
        if kind in self._existing and self._rng.random() < 0.4:
            return self._rng.choice(self._rng.choice(self._existing[kind]))
        known = self._known.get(kind, ())
        if known and self._rng.random() < 0.5:
            return self._rng.choice(known)
        return self._made(self._rng.choice(SHAPES[kind]))

    def _made(self, shape: str) -> str:
        fake = self._rng.choice(self._fake)
        parts: Mapping[str, Callable[[], str]] = {
            "F": fake.first_name,
            "L": fake.last_name,
            "I": lambda: str(fake.last_name())[0],
            "C": lambda: self._place(fake),
            "W": lambda: self._rng.choice(MATTERS),
        }
        return _PART.sub(lambda part: parts[part[1]](), shape)

    def _place(self, fake: Faker) -> str:
        known = self._known.get("LOCATION", ())
        return self._rng.choice(known) if known and self._rng.random() < 0.6 else str(fake.city())


SHAPES = {"PERSON": PERSONS, "LOCATION": PLACES, "ORGANIZATION": ORGANIZATIONS, "TEAM": TEAMS}


def existing() -> dict[str, list[list[str]]]:
    """Lists of organizations that exist, by the kind that they are drawn for."""
    table = tomllib.loads(Path(__file__).with_name("organizations.toml").read_text(encoding="utf-8"))
    lists = {name: [one.strip() for one in names.split(",")] for name, names in table.items()}
    listed = sorted({str(stock["name"]) for stock in PyTickerSymbols().get_all_stocks()})
    return {"TEAM": [lists["clubs"]], "ORGANIZATION": [listed, *(lists[name] for name in sorted(lists))]}


def mentions(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The names that occur in *rows*, by type."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if isinstance(row, Tagged):
            for start, end, kind in row.spans:
                name = row.text[start:end].strip()
                if 2 < len(name) < 40 and re.match(r"[A-Z]\w", name) and kind in SHAPES:
                    found[kind].add(name)
    return {kind: sorted(names) for kind, names in sorted(found.items())}
