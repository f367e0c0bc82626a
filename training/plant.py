"""Attacks planted in harmless surroundings, with the same surroundings left clean as their counterpart."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.grammar import Grammar
from training.rows import Attack

_BODY = "\0"  # what carriers.toml has for a place
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Carrier:
    """A wrapper cut at its places for text, and the texts that stand there; `escaped` wrappers are JSON."""

    frame: tuple[str, ...]
    bodies: tuple[str, ...]
    escaped: bool

    def text(self) -> str:
        return "".join(self._pieces())

    def holding(self, attack: str, rng: random.Random) -> tuple[str, tuple[int, int]]:
        """The carrier's text with the attack in one of its bodies, and where the attack stands."""
        index = rng.randrange(len(self.bodies))
        before, after = cut(self.bodies[index], rng)
        gap, wrapped = rng.choice(["\n", " ", " ", "\n\n"]), self._written(attack.strip())
        before = self._written(before + (gap if before else ""))
        after = self._written((gap if after else "") + after)
        pieces = self._pieces()
        place = 2 * index + 1
        start = sum(map(len, pieces[:place])) + len(before)
        pieces[place] = before + wrapped + after
        return "".join(pieces), (start, start + len(wrapped))

    def _pieces(self) -> list[str]:
        pieces = [self.frame[0]]
        for body, after in zip(self.bodies, self.frame[1:], strict=True):
            pieces += [self._written(body), after]
        return pieces

    def _written(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=False)[1:-1] if self.escaped else text


def cut(body: str, rng: random.Random) -> tuple[str, str]:
    """The body in two at a sentence boundary: its start, its end or between; sometimes all of it is dropped."""
    if rng.random() < 0.15:
        return "", ""
    ends = [0, len(body), *(match.start() for match in _SENTENCES.finditer(body))]
    place = rng.choice(ends)
    return body[:place].rstrip(), body[place:].lstrip()


def carrier(wrappers: Grammar, roots: Mapping[str, float], texts: Sequence[str], rng: random.Random) -> Carrier:
    """A random wrapper, filled with one to four short pieces of ordinary text in each of its places."""
    root = rng.choices(list(roots), list(roots.values()))[0]
    template = rng.choice(wrappers.rules[root])
    frame = tuple(wrappers.expand(template, rng).split(_BODY))
    bodies = tuple(" ".join(rng.choices(texts, k=rng.choice([1, 1, 2, 3, 4]))) for _ in frame[1:])
    return Carrier(frame, bodies, escaped='": "' in template or '["' in template)


def planted(place: Carrier, attack: str, rng: random.Random) -> Attack:
    text, span = place.holding(attack, rng)
    return Attack(text, "planted", 1, "indirect", span)


def clean(place: Carrier) -> Attack:
    return Attack(place.text(), "carrier", 0, "benign")
