"""Rows as token windows with their targets, in batches of equal length."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Encoding, Tokenizer

from scanner_service.inference.word_shapes import Shape
from training.rows import ENTITIES, TAGS, Attack, Row, Tagged, Toxic
from training.tokens import UNK, VOCABULARY, WINDOW, framed, shaped, windows

IGNORED = -1
BATCH_TOKENS = 3_072
BATCH_ROWS = 64
CARELESS = (0.7, 0.15, 0.1, 0.05)  # of the texts with names: as they are, no capitals, the first alone, any
OF_LETTERS = (Shape.LOWER, Shape.CAPITALIZED, Shape.UPPER, Shape.MIXED)
UNTAGGED = 0.5  # of the rows of the other tasks, that the entity head learns from too
LONGEST = 64  # windows of one text that are worth looking at when choosing


@dataclass(frozen=True, slots=True)
class Sample:
    """One framed window. `target`: injection [label]; toxicity 9 values, None masked; entities one tag per token."""

    head: str
    ids: list[int]
    target: Sequence[float | None]
    hidden: frozenset[int] = frozenset()  # tags of entity types that nobody annotated in this row

    @property
    def is_unlabelled(self) -> bool:
        """Whether nobody but a teacher can say anything about it."""
        return all(value is None or value == IGNORED for value in self.target)


Choose = Callable[[Attack, list[tuple[int, int]], Encoding, random.Random], Iterable[int]]


def samples(row: Row, encoding: Encoding, choose: Choose, rng: random.Random) -> Iterator[Sample]:
    """The windows of a row that are trained on this time."""
    ranges = windows(len(encoding.ids))
    if isinstance(row, Attack):
        for index in choose(row, ranges, encoding, rng):
            yield Sample("injection", framed(encoding.ids[slice(*ranges[index])]), [float(row.label)])
        return
    if isinstance(row, Toxic):
        yield Sample("toxicity", framed(encoding.ids[slice(*ranges[0])]), row.labels)
        return
    start, end = rng.choice(ranges)
    tags = tag(row, encoding)[start:end]
    ids = careless(shaped(row.text, encoding), rng)[start:end]
    yield Sample("entities", framed(ids), [IGNORED, *tags, IGNORED], hidden_tags(row.annotated))


def careless(ids: list[int], rng: random.Random) -> list[int]:
    """The shaped *ids* of a text, sometimes as if it had no capitals, the first alone, or any in each token."""
    shapes = [i // VOCABULARY for i in ids]
    match rng.choices(("as it is", "none", "first", "any"), CARELESS)[0]:
        case "none":
            shapes = [Shape.UNKNOWN] * len(ids)
        case "first":
            shapes[1:] = [Shape.LOWER if shape == Shape.CAPITALIZED else shape for shape in shapes[1:]]
        case "any":
            shapes = [rng.choice(OF_LETTERS) if shape in OF_LETTERS else shape for shape in shapes]
    return [i % VOCABULARY + VOCABULARY * shape for i, shape in zip(ids, shapes, strict=True)]


def holding(row: Attack, ranges: list[tuple[int, int]], encoding: Encoding) -> list[int]:
    """The windows that hold most of a planted attack whose place is known; all of them for other rows."""
    if row.span is None:
        return list(range(len(ranges)))
    first, last = row.span
    inside = [i for i, (start, end) in enumerate(encoding.offsets) if start < last and end > first]
    if not inside:
        return [0]
    cover = [sum(start <= i < end for i in inside) for start, end in ranges]
    return [i for i, count in enumerate(cover) if count >= 0.8 * max(cover)]


def tag(row: Tagged, encoding: Encoding) -> list[int]:
    """One tag per token: the first token of an entity is B, its other tokens are I."""
    tags = [0] * len(encoding.ids)
    for begin, finish, entity in row.spans:
        inside = [i for i, (start, end) in enumerate(encoding.offsets) if start < finish and end > begin]
        for position, index in enumerate(inside):
            tags[index] = TAGS.index(f"{'I' if position else 'B'}-{entity}")
    return tags


def hidden_tags(annotated: frozenset[str]) -> frozenset[int]:
    return frozenset(i for i, name in enumerate(TAGS) if i and name[2:] in set(ENTITIES) - annotated)


def encode(rows: Sequence[Row], tokenizer: Tokenizer, choose: Choose, seed: int) -> list[Sample]:
    """All samples of one round."""
    rng = random.Random(seed)
    found = [sample for row, encoding in encoded(rows, tokenizer) for sample in samples(row, encoding, choose, rng)]
    return [sample for sample in found if len(sample.ids) > 2]


def untagged(rows: Sequence[Row], tokenizer: Tokenizer, seed: int) -> list[Sample]:
    """A window of every other row of another task, for a teacher of names to tag."""
    rng = random.Random(seed)
    others = [row for row in rows if not isinstance(row, Tagged) and rng.random() < UNTAGGED]
    found: list[Sample] = []
    for row, encoding in encoded(others, tokenizer):
        start, end = rng.choice(windows(len(encoding.ids)))
        ids = framed(careless(shaped(row.text, encoding), rng)[start:end])
        found.append(Sample("entities", ids, [IGNORED] * len(ids)))
    return found


def crossed(samples: Sequence[Sample], seed: int) -> list[Sample]:
    """As many windows again for the head of attacks, the beginning of one and the end of another, to ask a teacher."""
    rng = random.Random(seed)
    own = [sample.ids[1:-1] for sample in samples if sample.head == "injection"]
    found: list[Sample] = []
    for ids in own:
        other = rng.choice(own)
        joined = ids[: rng.randint(1, len(ids))] + other[rng.randrange(len(other)) :]
        found.append(Sample("injection", framed(joined[: WINDOW - 2]), [None]))
    return found


def encoded(rows: Sequence[Row], tokenizer: Tokenizer) -> Iterator[tuple[Row, Encoding]]:
    """Each row with its tokens."""
    for start in range(0, len(rows), 512):
        part = rows[start : start + 512]
        yield from zip(part, tokenizer.encode_batch([row.text for row in part]), strict=True)


def batches(samples: Iterable[Sample], seed: int) -> list[list[Sample]]:
    """Shuffled batches; all rows of a batch belong to one head and have exactly the same length."""
    rng = random.Random(seed)
    groups: dict[tuple[str, int], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.head, len(sample.ids)].append(sample)
    made: list[list[Sample]] = []
    for (_, length), group in sorted(groups.items()):
        rng.shuffle(group)
        size = max(8, min(BATCH_ROWS, BATCH_TOKENS // length))
        made.extend(group[i : i + size] for i in range(0, len(group), size))
    rng.shuffle(made)
    return made


def forget(ids: list[int], rng: random.Random, share: float) -> list[int]:
    """Some tokens replaced by the unknown token, so that no single word decides."""
    return [ids[0], *(UNK if rng.random() < share else i for i in ids[1:-1]), ids[-1]]
