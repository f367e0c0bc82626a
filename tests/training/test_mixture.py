from collections import Counter

from training.mixture import draw, shares, weights
from training.rows import Attack, Tagged, Toxic
from training.sources import read_table


def test_a_large_source_does_not_dominate_and_the_total_is_given_out():
    given = shares({"large": 10_000, "small": 100}, {"large": 1.0, "small": 1.0}, 550)
    assert given == {"large": 500, "small": 50}, "a hundred times the rows are drawn ten times as often"


def test_no_source_gives_more_than_it_has_and_the_others_make_up_for_it():
    given = shares({"tiny": 5, "large": 10_000}, {"tiny": 100.0, "large": 1.0}, 500)
    assert given == {"tiny": 5, "large": 495}


def test_weights_scale_a_source():
    given = shares({"a": 1_000, "b": 1_000}, {"a": 3.0, "b": 1.0}, 400)
    assert given == {"a": 300, "b": 100}


def test_every_source_of_the_table_and_every_generated_one_has_a_weight():
    known = weights(read_table())
    assert {"planted", "carrier", "entity_frames", "spml"} <= set(known)
    assert all(weight > 0 for weight in known.values())


def test_rounds_walk_through_a_source_before_they_repeat_it():
    rows = [Attack(f"text {i}", "a", 1, "direct") for i in range(36_000)]
    rows += [Toxic("t", "b", (0.0,) * 9), Tagged("t", "c", (), frozenset())]
    weight = {"a": 1.0, "b": 1.0, "c": 1.0}
    seen = Counter(
        row.text.lower()
        for number in range(2)
        for row in draw(rows, weight, number, seed=1, scale=0.05)
        if isinstance(row, Attack) and row.text.startswith("text ")
    )
    assert len(seen) > 1_500
    assert max(seen.values()) == 1


def test_a_round_follows_from_its_number_and_the_seed():
    rows = [Attack(f"text {i}", "a", i % 2, "direct") for i in range(3_000)]
    first = draw(rows, {"a": 1.0}, 0, seed=1, scale=0.02)
    assert first == draw(rows, {"a": 1.0}, 0, seed=1, scale=0.02)
    assert first != draw(rows, {"a": 1.0}, 1, seed=1, scale=0.02)
