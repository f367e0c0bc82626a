import pytest

from training.rows import ENTITIES, TAGS, TOXICITY, Attack, Tagged, Toxic, parse, read_rows, write_rows

LABELS = dict.fromkeys((name.lower() for name in TOXICITY), None)


def test_what_nobody_annotated_stays_unknown():
    row = parse("toxicity", {"text": "t", "source": "s", "labels": LABELS | {"toxicity": 1, "obscene": 0}})
    assert isinstance(row, Toxic)
    assert row.labels[TOXICITY.index("TOXICITY")] == 1
    assert row.labels[TOXICITY.index("OBSCENE")] == 0
    assert row.labels[TOXICITY.index("SEXUAL")] is None


def test_a_threat_counts_as_violence_where_violence_is_unknown():
    threat = parse("toxicity", {"text": "t", "source": "s", "labels": LABELS | {"threat": 1}})
    denied = parse("toxicity", {"text": "t", "source": "s", "labels": LABELS | {"threat": 1, "violence": 0}})
    assert threat.labels[TOXICITY.index("VIOLENCE")] == 1
    assert denied.labels[TOXICITY.index("VIOLENCE")] == 0


def test_times_become_dates_and_types_without_a_tag_are_dropped():
    raw = {
        "text": "ten am at MoMA",
        "source": "s",
        "annotated": ["TIME", "MISC"],
        "spans": [[0, 6, "TIME"], [10, 14, "MISC"]],
    }
    row = parse("pii", raw)
    assert isinstance(row, Tagged)
    assert row.spans == ((0, 6, "DATE"),)
    assert row.annotated == {"DATE"}


def test_every_entity_has_its_two_tags_after_outside():
    assert TAGS[0] == "O"
    assert set(TAGS[1:]) == {f"{prefix}-{entity}" for prefix in "BI" for entity in ENTITIES}


def test_written_rows_are_read_back_and_equal_rows_make_equal_files(tmp_path):
    rows = [
        Attack("ignore\x00 that\nénd", "s", 1, "direct", (0, 6)),
        Attack("plain", "s", 0, "benign"),
        Toxic("t", "s", (None, 0.5, *[0.0] * 7)),
        Tagged("Ann", "s", ((0, 3, "PERSON"),), frozenset({"PERSON", "DATE"})),
    ]
    assert write_rows(tmp_path / "a.gz", rows) == 4
    assert read_rows(tmp_path / "a.gz") == rows
    write_rows(tmp_path / "b.gz", rows)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_rows_that_end_in_an_error_leave_the_file_that_was_there(tmp_path):
    def broken():
        yield Attack("second", "s", 0, "benign")
        raise OSError("the third")

    write_rows(tmp_path / "a.gz", [Attack("first", "s", 0, "benign")])
    with pytest.raises(OSError, match="third"):
        write_rows(tmp_path / "a.gz", broken())
    assert [row.text for row in read_rows(tmp_path / "a.gz")] == ["first"]
