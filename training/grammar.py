"""Sentences from a small grammar: a rule name in braces becomes one of the rule's lines."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SLOT = re.compile(r"\{([A-Za-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Grammar:
    rules: Mapping[str, Sequence[str]]
    roots: Mapping[str, float]

    def sentence(self, rng: random.Random, roots: Mapping[str, float] | None = None) -> str:
        """One sentence, its first letter and spacing put right."""
        chosen = roots or self.roots
        root = rng.choices(list(chosen), list(chosen.values()))[0]
        return tidy(self.expand(f"{{{root}}}", rng), rng)

    def expand(self, text: str, rng: random.Random) -> str:
        while slot := _SLOT.search(text):
            text = text[: slot.start()] + rng.choice(self.rules[slot[1]]) + text[slot.end() :]
        return text


def tidy(text: str, rng: random.Random) -> str:
    """Doubled spaces and full stops removed; sentences mostly, not always, begin with a capital."""
    text = re.sub(r" {2,}", " ", re.sub(r"\.{2,}|\. \.", ".", re.sub(r"([!?])\.", r"\1", text))).strip()
    if rng.random() < 0.8:
        text = re.sub(r"(^|[.!?]\s+)([a-z])", lambda m: m[1] + m[2].upper(), text)
    return text


def read_grammar(name: str) -> tuple[Grammar, dict[str, dict[str, Any]]]:
    """The grammar of `name`.toml beside this module, and its further tables, whose keys are roots.

    Raises `ValueError` when a line names a rule that does not exist.
    """
    raw = tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))
    rules = raw.pop("rules")
    named = {slot for lines in rules.values() for line in lines for slot in _SLOT.findall(line)}
    if missing := (named | set(raw["roots"])) - set(rules):
        raise ValueError(f"{name}.toml: no rule for {sorted(missing)}")
    return Grammar(rules, raw.pop("roots")), raw
