"""Generated rows for the toxicity head: ordinary prompts that carry none, and alarming words in jest and in earnest."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from training.grammar import Grammar, read_grammar
from training.rows import NONE, TOXICITY, Attack, Row, Toxic

CLEAN = ("gsm8k", "intent_utterances", "agent_user_queries", "purplellama_mitre_frr", "about_prompt_injection")


def generated(rows: Sequence[Row], benign: Grammar, rng: random.Random, count: int) -> Iterator[Toxic]:
    """Clean prompts, published and worded, and sentences of the toxicity grammar."""
    prompts = [row.text for row in rows if isinstance(row, Attack) and row.source in CLEAN]
    for text in rng.sample(prompts, min(count, len(prompts))):
        yield Toxic(text, "clean_prompts", NONE)
    for _ in range(count // 3):
        yield Toxic(benign.sentence(rng), "clean_worded", NONE)
    grammar, more = read_grammar("toxic")
    for _ in range(count):
        root = rng.choices(list(grammar.roots), list(grammar.roots.values()))[0]
        yield Toxic(grammar.sentence(rng, {root: 1.0}), "alarming", labels(more["labels"][root]))


def labels(named: dict[str, float | str]) -> tuple[float | None, ...]:
    """All labels of a root: 0 unless named, None where the table says that it is unknown."""
    values = (named.get(label, 0.0) for label in TOXICITY)
    return tuple(None if value == "unknown" else float(value) for value in values)
