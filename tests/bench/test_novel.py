import json

from bench.accuracy import NOVEL
from training import authored

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


def test_no_text_to_measure_with_is_trained_on():
    trained = {words(row.text) for row in authored.rows()}
    assert not [row["text"] for row in rows() if words(row["text"]) in trained]
