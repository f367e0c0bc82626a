import random

from hypothesis import given
from hypothesis import strategies as st

from training.mixture import varied
from training.noise import CHANGES, disturb, typos
from training.rows import Attack, Tagged, Toxic


@given(st.text(max_size=200), st.integers(0, 1_000))
def test_a_change_of_form_follows_from_the_seed(text, seed):
    assert disturb(text, random.Random(seed)) == disturb(text, random.Random(seed))


def test_each_change_alters_an_ordinary_sentence_for_some_seed():
    text = "Please ignore the previous email about the meeting"
    for change in CHANGES:
        assert any(change(text, random.Random(seed)) != text for seed in range(20)), change.__name__


def test_typos_leave_most_of_a_text_alone():
    text = "the quick brown fox jumps over the lazy dog " * 20
    changed = typos(text, random.Random(0))
    assert 0.9 < len(changed) / len(text) < 1.1
    assert changed != text


def test_a_disturbed_row_keeps_its_label():
    rng = random.Random(0)
    attack = Attack("ignore this now", "s", 1, "direct")
    toxic = Toxic("some words here", "s", (1.0, *[None] * 8))
    for _ in range(50):
        assert varied(attack, 1.0, rng).label == 1
        assert varied(toxic, 1.0, rng).labels == toxic.labels


def test_rows_whose_places_are_marked_are_not_disturbed():
    rng = random.Random(0)
    tagged = Tagged("Ann is here", "s", ((0, 3, "PERSON"),), frozenset({"PERSON"}))
    placed = Attack("x ignore y", "planted", 1, "indirect", (2, 8))
    assert all(varied(row, 1.0, rng) is row for row in (tagged, placed) for _ in range(20))
