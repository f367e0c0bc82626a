"""Stand-ins that overlap in a text."""

from scanner_service.placeholders import StandIns


def test_of_stand_ins_that_overlap_the_one_that_begins_first_counts():
    known = {"[PERSON_1]": "Ann", "Joan PERSON_1": "Eve", "PERSON_1 Doe": "Bob"}
    text = "Joan PERSON_1 Doe met [PERSON_1]"
    assert [mention.span.of(text) for mention in StandIns(known).mentions(text)] == ["Joan PERSON_1", "[PERSON_1]"]
