"""Generated rows for the entity head: mails, forms and chats with names, places, organizations and dates, and
technical text that holds none."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from training import documents
from training.rows import ENTITIES, Row, Tagged

_SLOT = re.compile(r"\{([A-Z]+)\}")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
FRAMES = (
    "My name is {PERSON} and I live in {LOCATION}.",
    "Hi {PERSON}, can we meet on {DATE} in {LOCATION}? Best, {PERSON}",
    "Name: {PERSON}\nCompany: {ORGANIZATION}\nCity: {LOCATION}\nDate of birth: {DATE}",
    "{PERSON} works at {ORGANIZATION} since {DATE}.",
    "Please write an email to {PERSON} at {ORGANIZATION} about the delay.",
    "Book a flight from {LOCATION} to {LOCATION} on {DATE}.",
    "patient {PERSON}, born {DATE}, admitted to {ORGANIZATION}",
    "I'm {PERSON}.",
    "this is {PERSON} from {ORGANIZATION}, calling about the invoice of {DATE}",
    "Dear {PERSON},\n\nthank you for your letter of {DATE}.\n\nSincerely,\n{PERSON}\n{ORGANIZATION}, {LOCATION}",
    "From: {PERSON}\nTo: {PERSON}\nDate: {DATE}\nSubject: contract with {ORGANIZATION}",
    "Summarize what {PERSON} said about {ORGANIZATION} in {LOCATION}.",
    "The meeting with {PERSON} and {PERSON} was moved to {DATE}.",
    "Ship it to {PERSON}, {LOCATION}.",
    "{PERSON}, {PERSON} and {PERSON} signed on {DATE}.",
    '{"name": "{PERSON}", "employer": "{ORGANIZATION}", "city": "{LOCATION}", "date": "{DATE}"}',
    "What is the weather like in {LOCATION} on {DATE}?",
    "my friend {PERSON} moved to {LOCATION} last year",
    "Contact {PERSON} by {DATE}.",
    "| {PERSON} | {ORGANIZATION} | {DATE} |\n| {PERSON} | {ORGANIZATION} | {DATE} |",
    "{LOCATION}, {DATE}. {ORGANIZATION} announced that {PERSON} will step down.",
    "Can you check whether {PERSON} has a reservation for {DATE}?",
    "remind me to call {PERSON} {DATE}",
    "Who is {PERSON}?",
    "Is {ORGANIZATION} hiring in {LOCATION}?",
)


def date(rng: random.Random) -> str:
    """A date as people write it."""
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1940, 2030)
    name = rng.choice([MONTHS[month - 1], MONTHS[month - 1][:3]])
    return rng.choice(
        [
            f"{year}-{month:02}-{day:02}",
            f"{month}/{day}/{year}",
            f"{day:02}.{month:02}.{year}",
            f"{name} {day}, {year}",
            f"{day} {name} {year}",
            f"{name} {day}",
            f"the {day}th of {name}",
            f"{name} {year}",
            rng.choice(DAYS),
            f"{rng.choice(DAYS)}, {name} {day}",
            f"next {rng.choice(DAYS)}",
            rng.choice(["tomorrow", "yesterday", "today", "next week", "last month"]),
            f"{rng.randint(1, 12)} {rng.choice(['am', 'pm'])}",
            f"{rng.randint(0, 23)}:{rng.randint(0, 59):02}",
        ]
    )


def filled(frame: str, choose: Mapping[str, Callable[[], str]]) -> tuple[str, list[tuple[int, int, str]]]:
    """The frame with its slots filled, and where the fillings stand."""
    text, spans, last = "", [], 0
    for slot in _SLOT.finditer(frame):
        text += frame[last : slot.start()]
        value = choose[slot[1]]()
        spans.append((len(text), len(text) + len(value), slot[1]))
        text, last = text + value, slot.end()
    return text + frame[last:], spans


def generated(rows: Sequence[Row], rng: random.Random, count: int) -> Iterator[Tagged]:
    """Filled frames, and a third as many pieces of technical documents, which name nobody."""
    names = mentions(rows)
    if len(names) == len(ENTITIES) - 1:
        yield from (framed(names, rng) for _ in range(count))
    pieces = [
        piece
        for name, text in documents.documents()
        if not documents.is_unseen(name) and not name.startswith("package")
        for piece in documents.chunks(text, 200)
    ]
    for piece in rng.sample(pieces, min(count // 3, len(pieces))):
        maybe_dated = re.search(r"\b(19|20)\d\d\b", piece)
        yield Tagged(piece, "entity_free", (), frozenset(ENTITIES) - ({"DATE", "PERSON"} if maybe_dated else set()))


def framed(names: Mapping[str, Sequence[str]], rng: random.Random) -> Tagged:
    """One to three filled frames."""
    choose: dict[str, Callable[[], str]] = {kind: partial(rng.choice, pool) for kind, pool in names.items()}
    choose["DATE"] = partial(date, rng)
    text, spans = "", []
    for _ in range(rng.choice([1, 1, 2, 3])):
        part, found = filled(rng.choice(FRAMES), choose)
        spans += [(start + len(text), end + len(text), kind) for start, end, kind in found]
        text += part + rng.choice(["\n", " "])
    return Tagged(text.rstrip(), "entity_frames", tuple(spans), frozenset(ENTITIES))


def mentions(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The names that occur in the training rows, by type."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if isinstance(row, Tagged):
            for start, end, kind in row.spans:
                name = row.text[start:end].strip()
                if 2 < len(name) < 40 and re.match(r"[A-Z]\w", name):
                    found[kind].add(name)
    return {kind: sorted(names) for kind, names in sorted(found.items()) if kind != "DATE"}
