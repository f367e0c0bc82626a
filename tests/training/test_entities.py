import random
import re

import pytest

from training import entities
from training.names import SHAPES, Names
from training.rows import ENTITIES, Tagged, parse

MARKED = frozenset({"PERSON", "LOCATION", "ORGANIZATION"})
ROW = Tagged(
    "Ann Lee of Acme Corp lives in Paris",
    "crossner",
    ((0, 7, "PERSON"), (11, 20, "ORGANIZATION"), (30, 35, "LOCATION")),
    MARKED,
)


@pytest.fixture
def names():
    return Names([ROW], random.Random(1))


def told(row):
    return [(row.text[start:end], kind) for start, end, kind in row.spans]


def test_slots_are_filled_and_a_team_is_an_organization():
    text, spans = entities.filled("{PERSON} of {TEAM}!", {"PERSON": "Ann", "TEAM": "Leeds"}.__getitem__)
    assert (text, spans) == ("Ann of Leeds!", [(0, 3, "PERSON"), (7, 12, "ORGANIZATION")])


def test_every_slot_of_every_frame_can_be_filled(names):
    for frame in entities.FRAMES:
        kinds = set(re.findall(r"\{([A-Z]+)\}", frame))
        assert kinds <= {*SHAPES, "DATE"}, frame
        text, _ = entities.filled(frame, lambda kind: "x" if kind == "DATE" else names.draw(kind))
        assert not re.search(r"\{[A-Z]+\}", text), frame


def test_names_are_known_and_made_up_ones(names):
    for kind, known in (("PERSON", "Ann Lee"), ("LOCATION", "Paris"), ("ORGANIZATION", "Acme Corp")):
        drawn = {names.draw(kind) for _ in range(60)}
        assert known in drawn
        assert len(drawn) > 20
        assert all(name.strip() == name and "{" not in name for name in drawn)


def test_the_same_seed_draws_the_same_names():
    first, second = (Names([ROW], random.Random(5)) for _ in range(2))
    kinds = list(SHAPES) * 10
    assert [first.draw(kind) for kind in kinds] == [second.draw(kind) for kind in kinds]


def test_a_row_gets_other_names_and_its_spans_follow(names):
    made = [entities.renamed(ROW, names, random.Random(seed)) for seed in range(20)]
    for row in made:
        (person, _), (company, _), (place, _) = told(row)
        assert row.text == f"{person} of {company} lives in {place}"
        assert [kind for _, kind in told(row)] == ["PERSON", "ORGANIZATION", "LOCATION"]
    assert len({row.text for row in made}) > 10


def test_a_name_inside_another_is_left_to_the_longer_one(names):
    row = Tagged("Bank of Rome", "crossner", ((0, 12, "ORGANIZATION"), (8, 12, "LOCATION")), MARKED)
    assert [kind for _, kind in told(entities.renamed(row, names, random.Random(0)))] == ["ORGANIZATION"]


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("I did n't see ( or hear ) Ann , sorry !", "I didn't see (or hear) Ann, sorry!"),
        ("@ ann 's # tag costs $ 5", "@ann's #tag costs $5"),
        ("Ann said 'stop' and left", "Ann said 'stop' and left"),
    ],
)
def test_gaps_of_tokenizers_are_closed_and_spans_follow(text, closed):
    names = [(m.start(), m.end(), "PERSON") for m in re.finditer("[Aa]nn", text)]
    row = entities.closed_up(Tagged(text, "s", tuple(names), MARKED))
    assert row.text == closed
    assert [name.lower() for name, _ in told(row)] == ["ann"] * len(names)


def test_generated_rows_stand_where_their_spans_say():
    made = list(entities.generated([ROW] * 50, random.Random(2), 30))
    assert {row.source for row in made} == {"entity_frames", "entity_free", "entity_renamed"}
    for row in made:
        last = 0
        for start, end, kind in row.spans:
            assert last <= start < end <= len(row.text)
            assert kind in ENTITIES
            last = end


def test_handles_are_no_names():
    raw = {
        "text": "@ ann met @bob and Cy @ Portland",
        "spans": [[2, 5, "PERSON"], [0, 1, "PERSON"], [11, 14, "PERSON"], [19, 21, "PERSON"], [24, 32, "LOCATION"]],
        "source": "tweets",
        "annotated": sorted(MARKED),
    }
    assert told(parse("pii", raw)) == [("Cy", "PERSON"), ("Portland", "LOCATION")]
