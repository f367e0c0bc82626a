import json
from collections import Counter, defaultdict

from bench.accuracy import NOVEL
from training import authored
from training.near_copies import shingles

NEEDED = 100  # of each label


def rows():
    return [json.loads(line) for line in NOVEL.read_text(encoding="utf-8").splitlines()]


def words(text):
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())


def test_texts_to_measure_with_are_attacks_and_harmless_ones_and_each_stands_there_once():
    labels = [row["label"] for row in rows()]
    assert min(labels.count(0), labels.count(1)) >= NEEDED
    assert len({words(row["text"]) for row in rows()}) == len(labels)
    for row in rows():
        assert row["kind"] in (("direct", "jailbreak", "indirect") if row["label"] else ("benign", "hard_negative"))


def test_no_text_to_measure_with_is_trained_on_nor_shares_half_of_its_wording_with_one_that_is():
    trained = [row.text for row in authored.rows()]
    assert not {words(row["text"]) for row in rows()} & {words(text) for text in trained}
    held = defaultdict(list)
    for number, text in enumerate(trained):
        for run in shingles(text, 5):
            held[run].append(number)
    for row in rows():
        wording = shingles(row["text"], 5)
        shared = Counter(number for run in wording for number in held[run])
        assert max(shared.values(), default=0) <= len(wording) / 2, row["text"]
