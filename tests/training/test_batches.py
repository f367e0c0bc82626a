import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from scanner_service.inference.word_shapes import Shape
from training import choice
from training.batches import IGNORED, Sample, batches, careless, crossed, forget, hidden_tags, holding, samples, tag
from training.rows import TAGS, Attack, Tagged, Toxic
from training.tokens import CLS, SEP, UNK, VOCABULARY, shaped, windows

LOWER, CAPITALIZED, OTHER = (VOCABULARY * shape for shape in (Shape.LOWER, Shape.CAPITALIZED, Shape.OTHER))


@dataclass
class Words:
    """Stands in for an encoding: one token per word."""

    text: str
    ids: list[int] = field(init=False)
    offsets: list[tuple[int, int]] = field(init=False)

    def __post_init__(self):
        self.offsets, start = [], 0
        for word in self.text.split(" "):
            self.offsets.append((start, start + len(word)))
            start += len(word) + 1
        self.ids = list(range(1_000, 1_000 + len(self.offsets)))


LONG = " ".join(f"w{i}" for i in range(400))


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 220, 221, 1_000])
def test_windows_cover_every_token_with_the_overlap_and_none_is_short(length):
    found = windows(length)
    assert {i for start, end in found for i in range(start, end)} == set(range(length))
    if length > 126:
        assert {end - start for start, end in found} == {126}
        assert all(first[1] - second[0] >= 32 for first, second in pairwise(found))


def test_only_windows_that_hold_the_planted_attack_are_positive():
    encoding = Words(LONG)
    start = LONG.index("w200")
    row = Attack(LONG, "planted", 1, "indirect", (start, start + len("w200 w201 w202")))
    ranges = windows(400)
    for index, (first, last) in enumerate(ranges):
        assert (index in holding(row, ranges, encoding)) == (first <= 200 and last >= 203)
    for seed in range(20):
        (chosen,) = choice.by_wording(row, ranges, encoding, random.Random(seed))
        assert ranges[chosen][0] <= 200 < ranges[chosen][1]


def test_a_long_indirect_attack_is_sought_where_the_wording_is():
    text = LONG.replace("w250", "ignore").replace("w251", "instructions")
    row = Attack(text, "s", 1, "indirect")
    ranges = windows(400)
    (chosen,) = choice.by_wording(row, ranges, Words(text), random.Random(0))
    assert ranges[chosen][0] <= 250 < ranges[chosen][1]


def test_a_jailbreak_is_trained_on_from_its_start_and_harmless_texts_in_any_window():
    ranges, encoding = windows(400), Words(LONG)
    assert choice.by_wording(Attack(LONG, "s", 1, "jailbreak"), ranges, encoding, random.Random(0)) == [0]
    seen = {
        i
        for seed in range(50)
        for i in choice.by_wording(Attack(LONG, "s", 0, "benign"), ranges, encoding, random.Random(seed))
    }
    assert seen == set(range(len(ranges)))


def test_later_the_model_chooses_its_highest_window():
    ranges, encoding = windows(400), Words(LONG)
    score = {(LONG, index): float(index == 2) for index in range(len(ranges))}
    choose = choice.by_score(score)
    assert choose(Attack(LONG, "s", 1, "indirect"), ranges, encoding, random.Random(0)) == [2]
    assert 2 in choose(Attack(LONG, "s", 0, "benign"), ranges, encoding, random.Random(0))
    unscored = Attack("w1 w2", "s", 1, "direct")
    assert list(choose(unscored, windows(2), Words("w1 w2"), random.Random(0))) == [0]


def test_the_first_token_of_an_entity_is_b_and_the_others_are_i():
    row = Tagged("meet Ann Lee today", "s", ((5, 12, "PERSON"),), frozenset({"PERSON"}))
    names = [TAGS[i] for i in tag(row, Words(row.text))]
    assert names == ["O", "B-PERSON", "I-PERSON", "O"]


def test_types_that_a_source_does_not_mark_are_hidden_and_the_frame_is_ignored():
    row = Tagged("Ann", "s", ((0, 3, "PERSON"),), frozenset({"PERSON", "LOCATION"}))
    (sample,) = samples(row, Words("Ann"), choice.by_wording, random.Random(0))
    assert sample.target == [IGNORED, TAGS.index("B-PERSON"), IGNORED]
    assert {TAGS[i] for i in sample.hidden} == {"B-ORGANIZATION", "I-ORGANIZATION", "B-DATE", "I-DATE"}
    assert hidden_tags(frozenset({"PERSON", "LOCATION", "ORGANIZATION", "DATE"})) == frozenset()


def test_unannotated_toxicity_labels_reach_the_loss_as_unknown():
    row = Toxic("bad words", "s", (1.0, None, *[0.0] * 7))
    (sample,) = samples(row, Words(row.text), choice.by_wording, random.Random(0))
    assert list(sample.target) == [1.0, None, *[0.0] * 7]
    assert sample.ids == [CLS, 1_000, 1_001, SEP]


def test_batches_hold_one_head_and_one_length_and_lose_no_sample():
    rng = random.Random(0)
    given = [
        Sample(rng.choice(["injection", "toxicity"]), [CLS, *[7] * rng.randint(1, 5), SEP], [float(i)])
        for i in range(500)
    ]
    made = batches(given, seed=1)
    assert all(len({(s.head, len(s.ids)) for s in batch}) == 1 for batch in made)
    assert sorted(s.target[0] for batch in made for s in batch) == [float(i) for i in range(500)]
    assert batches(given, seed=1) == made
    assert batches(given, seed=2) != made


def test_forgetting_never_touches_the_frame():
    ids = [CLS, *range(1_000, 1_100), SEP]
    worn = forget(ids, random.Random(0), 0.3)
    assert (worn[0], worn[-1], len(worn)) == (CLS, SEP, len(ids))
    assert 10 < worn.count(UNK) < 60


def test_ids_for_names_say_how_words_are_written():
    text = "Ann met a bear !"
    assert shaped(text, Words(text)) == [
        1_000 + CAPITALIZED,
        *(i + LOWER for i in (1_001, 1_002, 1_003)),
        1_004 + OTHER,
    ]
    assert shaped("ann met bo", Words("ann met bo")) == [1_000, 1_001, 1_002]


def test_some_texts_with_names_are_read_as_if_written_carelessly():
    given = [1 + CAPITALIZED, 2 + LOWER, 3 + CAPITALIZED, 4 + OTHER]
    first_alone = [1 + CAPITALIZED, 2 + LOWER, 3 + LOWER, 4 + OTHER]
    made = [careless(given, random.Random(seed)) for seed in range(400)]
    haphazard = [each for each in made if each not in (given, first_alone, [1, 2, 3, 4])]
    assert 0.1 < made.count([1, 2, 3, 4]) / 400 < 0.2
    assert 0.06 < made.count(first_alone) / 400 < 0.15
    assert 0.6 < made.count(given) / 400 < 0.8
    assert 5 < len(haphazard) < 40
    assert {each[3] for each in haphazard} == {4 + OTHER}
    assert [{i % VOCABULARY for i in column} for column in zip(*haphazard, strict=True)] == [{1}, {2}, {3}, {4}]


def test_only_rows_with_names_say_how_words_are_written():
    text = "Ann met a bear !"
    rows = Attack(text, "s", 1, "direct"), Toxic(text, "s", (1.0,) * 9), Tagged(text, "s", (), frozenset())
    for row in rows:
        made = [next(samples(row, Words(text), choice.by_wording, random.Random(seed))).ids for seed in range(9)]
        assert (max(map(max, made)) > VOCABULARY) == isinstance(row, Tagged)


def test_crossed_windows_begin_as_one_and_end_as_another_and_nobody_has_labelled_them():
    texts = [[*range(1_000, 1_126)], [*range(2_000, 2_030)]]
    given = [Sample("injection", [CLS, *ids, SEP], [1.0]) for ids in texts] + [Sample("toxicity", [CLS, 5, SEP], [0.0])]
    lengths = set()
    for seed in range(50):
        made = crossed(given, seed)
        assert [sample.ids[1] for sample in made] == [1_000, 2_000]  # one for each window of attacks, no other
        for sample in made:
            assert sample.is_unlabelled
            assert (sample.ids[0], sample.ids[-1]) == (CLS, SEP)
            breaks = [(left, right) for left, right in pairwise(sample.ids[1:-1]) if right != left + 1]
            assert len(breaks) <= 1
            lengths.add(len(sample.ids))
    assert max(lengths) <= 128
    assert len(lengths) > 20
