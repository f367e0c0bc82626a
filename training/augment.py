"""Stage `augment`: generated rows beside the published ones, from fixed seeds.

Attack wording and planted attacks for the injection head, each with harmless look-alikes; prompts known to be clean
for the toxicity head; filled-in forms and mails for the entity head.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from training import authored, documents, entities, toxic
from training.grammar import Grammar, read_grammar
from training.noise import disturb
from training.plant import Carrier, carrier, clean, planted
from training.rows import Attack, Row, read_rows, write_rows

SEED = 20261121
PROSE = (
    "t0_task_prompts",
    "tasktracker_composed",
    "uner_english_ewt",
    "crossner",
    "re3d",
    "sec_filings_ner",
    "broad_twitter_corpus",
    "wikipedia_context_toxicity",
)

PLANTED = {"planted": 45, "typed": 27, "naive": 13, "request": 5, "misplaced": 10}  # shares in percent
PROMPTS = ("sharegpt_first_turn", "intent_utterances", "agent_user_queries", "gsm8k", "wildguardtrain_safe")


def run(work: Path, scale: float = 1.0) -> dict[str, int]:
    """Writes `rows/generated.jsonl.gz` below `work`; `scale` multiplies how many rows are made."""
    rows = read_rows(work / "rows" / "train.jsonl.gz")
    made = list(generate(rows, random.Random(SEED), scale))
    return {"generated": write_rows(work / "rows" / "generated.jsonl.gz", made)}


def generate(rows: Sequence[Row], rng: random.Random, scale: float) -> Iterator[Row]:
    """
    All generated rows, a function of the published rows and the seed, and the authored ones among them.

    Raises:
        ValueError: there is nothing among the published rows to make them of.
    """
    for group in (PROSE, PROMPTS):
        if not any(row.source in group and _harmless(row) for row in rows):
            raise ValueError(f"no row of {', '.join(group)} is trained on: choose more `--licences`")
    written = authored.rows()
    yield from written
    rows = [*rows, *written]
    attacks, _ = read_grammar("attacks")
    benign, _ = read_grammar("benign")
    yield from worded(rows, attacks, benign, rng, round(12_000 * scale))
    yield from surrounded(rows, attacks, benign, rng, round(26_000 * scale))
    yield from manuals(rng)
    yield from prose(rows, rng, round(6_000 * scale))
    yield from toxic.generated(rows, benign, rng, round(8_000 * scale))
    yield from entities.generated(rows, rng, round(12_000 * scale))


def worded(rows: Sequence[Row], attacks: Grammar, benign: Grammar, rng: random.Random, count: int) -> Iterator[Attack]:
    """Attacks as a user would type them, some after an ordinary prompt; harmless texts with the same trigger words."""
    prompts = [row.text for row in rows if row.source in PROMPTS and len(row.text) < 250]
    for _ in range(count):
        text = attacks.sentence(rng)
        roll = rng.random()
        if roll < 0.25:
            text = f"{text} {attacks.sentence(rng)}"
        elif roll < 0.45:
            text = f"{rng.choice(prompts)}{rng.choice([' ', chr(10), '. '])}{text}"
        yield Attack(text, "grammar_attack", 1, "direct")
        text = benign.sentence(rng)
        if rng.random() < 0.3:
            text = f"{text} {benign.sentence(rng)}"
        yield Attack(text, "grammar_benign", 0, "hard_negative")


def surrounded(
    rows: Sequence[Row], attacks: Grammar, benign: Grammar, rng: random.Random, count: int
) -> Iterator[Attack]:
    """Pairs: an attack planted in a carrier, and a clean carrier (half of the time the very same one)."""
    places = Places(rows, benign, rng)
    wordings = Wordings(rows, attacks, rng)
    for _ in range(count):
        kind = rng.choices(list(PLANTED), list(PLANTED.values()))[0]
        place = places.pick("records" if kind in ("naive", "request") else "any")
        attack = wordings.pick(kind)
        yield planted(place, disturb(attack, rng) if rng.random() < 0.08 else attack, rng)
        yield clean(place if rng.random() < 0.5 else places.pick("any"))


class Wordings:
    """Attacks to plant: worded by the grammar, published ones, and requests that are only wrong where they stand."""

    def __init__(self, rows: Sequence[Row], attacks: Grammar, rng: random.Random) -> None:
        _, roots = read_grammar("attacks")
        self.attacks, self.roots, self.rng = attacks, roots, rng
        known = [row for row in rows if isinstance(row, Attack)]
        self.typed = [r.text for r in known if r.label and r.kind == "direct" and len(r.text) < 300]
        self.requests = [r.text for r in known if r.source == "agent_user_queries" and len(r.text) < 200]

    def pick(self, kind: str) -> str:
        if kind in ("typed", "request"):
            texts = self.typed if kind == "typed" else self.requests
            return self.rng.choice(texts) if texts else self.pick("planted")
        text = self.attacks.sentence(self.rng, self.roots[kind])
        twice = kind == "planted" and self.rng.random() < 0.3
        return f"{text} {self.attacks.sentence(self.rng, self.roots[kind])}" if twice else text


class Places:
    """Carriers: wrappers around sentences that state something or tell people to do something, and whole passages."""

    def __init__(self, rows: Sequence[Row], benign: Grammar, rng: random.Random) -> None:
        self.wrappers, self.roots = read_grammar("carriers")
        self.rng = rng
        self.texts, self.harmless = ordinary(rows), list(imperatives(rows, benign, rng))
        self.passages = [piece for _, text in documents.trained() for piece in documents.chunks(text, 600)] + [
            r.text[:900] for r in rows if r.source in ("t0_task_prompts", "tasktracker_composed") and _harmless(r)
        ]

    def pick(self, kind: str) -> Carrier:
        if kind == "any" and self.rng.random() < 0.2:
            return Carrier(("", ""), (self.rng.choice(self.passages),), escaped=False)
        pool = self.harmless if self.rng.random() < 0.35 else self.texts
        roots = self.roots["records"] if kind == "records" else self.wrappers.roots
        return carrier(self.wrappers, roots, pool, self.rng)


def _harmless(row: Row) -> bool:
    return not (isinstance(row, Attack) and row.label)


def ordinary(rows: Sequence[Row]) -> list[str]:
    """Sentences of harmless rows that ask nothing: what carriers are filled with."""
    found: list[str] = []
    for row in rows:
        if row.source in PROSE and _harmless(row):
            parts = re.split(r"(?<=[.!?])\s+|\n+", row.text)
            found.extend(part.strip() for part in parts[:12] if 20 < len(part.strip()) < 300 and "?" not in part)
    return found


def imperatives(rows: Sequence[Row], benign: Grammar, rng: random.Random) -> Iterator[str]:
    """Harmless sentences that tell somebody to do something: manuals, mail, documentation about attacks."""
    roots = {"imperative": 3.0, "mail": 2.0, "about": 1.0}
    for _ in range(8_000):
        yield benign.sentence(rng, roots)
    for _, text in documents.trained():
        yield from (line.strip() for line in text.splitlines() if 40 < len(line.strip()) < 300)
    yield from (r.text for r in rows if r.source == "about_prompt_injection" and len(r.text) < 400)


def manuals(rng: random.Random) -> Iterator[Attack]:
    """Pieces of long harmless documents."""
    for _, text in documents.trained():
        pieces = documents.chunks(text, 1_500)
        for piece in rng.sample(pieces, min(12, len(pieces))):
            yield Attack(piece, "documents", 0, "benign")


def prose(rows: Sequence[Row], rng: random.Random, count: int) -> Iterator[Attack]:
    """Posts, comments and news sentences of the other two tasks: none of them attacks a model."""
    others = [row for row in rows if not isinstance(row, Attack)]
    for row in rng.sample(others, min(count, len(others))):
        yield Attack(row.text, f"prose_{type(row).__name__.lower()}", 0, "benign")
