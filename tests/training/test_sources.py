import pytest

from training.sources import Source, Table, read_table, split

TABLE = Table(
    frozenset({"P"}),
    frozenset({"injection/hidden"}),
    (
        Source("injection", "open", "P"),
        Source("injection", "hidden", "P"),
        Source("injection", "closed", "NC"),
        Source("toxicity", "mixed", "NC", subtypes={"good": "P"}),
    ),
)


def test_a_held_out_source_is_never_trained_on_even_with_a_chosen_licence():
    made = split(TABLE)
    assert "injection/hidden" not in {source.name for source in made.train}
    assert "injection/hidden" in {source.name for source in made.unseen}


def test_a_source_of_an_unchosen_licence_is_unseen_until_the_class_is_chosen():
    assert "injection/closed" in {source.name for source in split(TABLE).unseen}
    assert "injection/closed" in {source.name for source in split(TABLE, ["P", "NC"]).train}


def test_of_a_mixed_file_only_the_parts_with_a_chosen_licence_are_trained_on():
    made = split(TABLE)
    mixed = TABLE.sources[3]
    assert made.admits(mixed, "good/topic")
    assert not made.admits(mixed, "other")
    assert not made.admits(mixed, None)
    assert mixed in made.unseen, "the other parts are left to measure with"


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="injection/typo"):
        split(TABLE, (), ["injection/typo"])
    with pytest.raises(ValueError, match="XX"):
        split(TABLE, ["XX"])


def test_the_shipped_table_trains_on_nothing_non_commercial():
    table = read_table()
    made = split(table)
    assert "NC" not in made.licences
    assert all(source.licence != "NC" or source.subtypes for source in made.train)
    assert {source.name for source in made.unseen} >= table.held_out
    assert len({source.file for source in table.sources}) == len(table.sources), "rows carry the file's name alone"
