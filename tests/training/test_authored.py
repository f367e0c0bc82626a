from training import authored
from training.identity import FRAMES, GROUPS
from training.rows import TOXICITY, Attack, Tagged, Toxic


def test_marks_are_taken_out_of_a_sentence_and_remembered_as_spans():
    row = authored.unmarked("[PERSON Ann Lee] left [ORGANIZATION Acme] on [DATE Monday].")
    assert row.text == "Ann Lee left Acme on Monday."
    assert [(row.text[a:b], kind) for a, b, kind in row.spans] == [
        ("Ann Lee", "PERSON"),
        ("Acme", "ORGANIZATION"),
        ("Monday", "DATE"),
    ]


def test_every_authored_sentence_is_marked_with_known_types_only():
    rows = list(authored.tagged())
    assert sum(bool(row.spans) for row in rows) > 500
    assert not [row.text for row in rows if "[" in row.text or "]" in row.text]


def test_authored_attacks_and_look_alikes_are_distinct_and_say_where_an_indirect_one_stands():
    rows = list(authored.attacks())
    assert len({row.text for row in rows}) == len(rows)
    assert {row.label for row in rows} == {0, 1}
    for row in rows:
        assert row.label == (row.kind in ("direct", "jailbreak", "indirect"))
        assert (row.span is not None) == (row.kind == "indirect")


def test_texts_that_name_groups_of_people_are_distinct_clean_and_not_those_that_bias_is_measured_with():
    rows = list(authored.clean())
    assert len({row.text for row in rows}) == len(rows) > 100
    assert {row.labels for row in rows} == {(0.0,) * len(TOXICITY)}
    measured = {frame.format(person) for frame in FRAMES for people in GROUPS.values() for person in people}
    assert not measured & {row.text for row in rows}


def test_there_are_rows_for_every_head():
    assert {type(row) for row in authored.rows()} == {Attack, Tagged, Toxic}
