import json

import pytest

from bench.accuracy import WRITTEN
from training import authored, near_copies

NEEDED = 100  # of each label


each_set = pytest.mark.parametrize("name", WRITTEN)


def rows(name):
    return [json.loads(line) for line in WRITTEN[name].read_text(encoding="utf-8").splitlines()]


def words(text):
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())


@each_set
def test_texts_to_measure_with_are_attacks_and_harmless_ones_and_each_stands_there_once(name):
    labels = [row["label"] for row in rows(name)]
    assert min(labels.count(0), labels.count(1)) >= NEEDED
    assert len({words(row["text"]) for row in rows(name)}) == len(labels)
    for row in rows(name):
        assert row["kind"] in (("direct", "jailbreak", "indirect") if row["label"] else ("benign", "hard_negative"))


@each_set
def test_no_text_to_measure_with_is_trained_on_nor_shares_half_of_its_wording_with_one_that_is(name):
    trained = [row.text for row in authored.rows()]
    assert not {words(row["text"]) for row in rows(name)} & {words(text) for text in trained}
    texts = [row["text"] for row in rows(name)]
    assert not near_copies.known(texts, trained)
