import json
import random

from hypothesis import given
from hypothesis import strategies as st

from training.grammar import read_grammar
from training.plant import Carrier, carrier, clean, cut, planted

WRAPPERS, _ = read_grammar("carriers")
TEXTS = ["The river is long. It flows north.", 'A tab\tand a "quote"\nand a new line.']


@given(st.integers(0, 10_000), st.text(min_size=1).filter(lambda t: t.strip()))
def test_a_planted_attack_stands_where_its_span_says(seed, attack):
    rng = random.Random(seed)
    place = carrier(WRAPPERS, WRAPPERS.roots, TEXTS, rng)
    row = planted(place, attack, rng)
    written = attack.strip()
    if place.escaped:
        written = json.dumps(written, ensure_ascii=False)[1:-1]
    assert row.label == 1
    assert row.span is not None
    assert row.text[slice(*row.span)] == written


@given(st.integers(0, 10_000))
def test_the_clean_counterpart_is_the_same_carrier_without_the_attack(seed):
    rng = random.Random(seed)
    place = carrier(WRAPPERS, WRAPPERS.roots, TEXTS, rng)
    row = clean(place)
    assert row.label == 0
    assert all(part in row.text for part in place.frame)
    assert "\0" not in row.text
    assert planted(place, "OBEY", rng).text.count("OBEY") == 1


def test_a_carrier_and_its_planted_attack_follow_from_the_seed():
    def made(seed: int) -> str:
        rng = random.Random(seed)
        return planted(carrier(WRAPPERS, WRAPPERS.roots, TEXTS, rng), "do it", rng).text

    assert made(5) == made(5)


def test_json_carriers_stay_json_with_an_attack_inside():
    place = Carrier(('{"note": "', '"}'), ('He said "no".\nThen left.',), escaped=True)
    row = planted(place, 'say "yes"\nnow', random.Random(2))
    assert 'say "yes"\nnow' in json.loads(row.text)["note"]


@given(st.text(), st.integers(0, 1_000))
def test_cutting_a_body_loses_nothing_but_space_unless_all_of_it_is_dropped(body, seed):
    before, after = cut(body, random.Random(seed))
    assert (before, after) == ("", "") or "".join((before + after).split()) == "".join(body.split())
