import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.placeholders import StandIns, mentions, parse, spell
from tests.timing import least_seconds


def found(text, *labels):
    return [(mention.placeholder, mention.span.of(text)) for mention in mentions(text, labels or ("PERSON",))]


@pytest.mark.parametrize(
    "spelling",
    [
        *("[PERSON_1]", "[person_1]", "[Person 1]", "[ PERSON_1 ]", "PERSON_1", "person_1", "PERSON 1", "PERSON1"),
        *("<PERSON_1>", "{PERSON-1}", r"\[PERSON\_1\]", r"PERSON\_1", "[PERSON1]"),
    ],
)
def test_a_placeholder_is_recognized_however_an_llm_writes_it(spelling):
    assert found(f"so {spelling}, then") == [("[PERSON_1]", spelling)]


@pytest.mark.parametrize("prose", ["a person 1 time", "Person 1", "SALESPERSON_1", "PERSON_01", "PERSON_", "[PERSON]"])
def test_prose_is_not_a_placeholder(prose):
    assert found(prose) == []


def test_one_number_is_never_taken_for_another():
    assert [placeholder for placeholder, _ in found("PERSON_1 PERSON_12 [PERSON_123]")] == [
        "[PERSON_1]",
        "[PERSON_12]",
        "[PERSON_123]",
    ]


@pytest.mark.parametrize("form", ["[{}]", "{}", r"\[{}\]"])
def test_labels_with_the_same_letters_are_told_by_where_they_are_parted(form):
    for labels in (("KEY", "KEY_1"), ("KEY_1", "KEY"), ("SALES_PERSON_1", "SALESPERSON", "SALES_PERSON")):
        for label in labels:
            for number in (1, 2, 12):
                assert found(form.format(f"{label}_{number}"), *labels)[0][0] == spell(label, number)
                assert found(form.format(f"{label} {number}"), *labels)[0][0] == spell(label, number)


def test_a_bracket_without_its_partner_stays_in_the_text():
    assert found("[PERSON_1, PERSON_2]") == [("[PERSON_1]", "PERSON_1"), ("[PERSON_2]", "PERSON_2")]


def test_a_backslash_of_the_text_stays_in_the_text():
    assert found("\\[PERSON_1]\\") == [("[PERSON_1]", "[PERSON_1]")]


def test_the_longer_of_two_labels_wins():
    assert found("US_SSN_1 and SSN 2", "SSN", "US_SSN") == [("[US_SSN_1]", "US_SSN_1"), ("[SSN_2]", "SSN 2")]


@given(st.sampled_from(["PERSON", "EMAIL_ADDRESS"]), st.integers(1, 10**9 - 1), st.text(), st.text())
def test_what_is_spelled_is_found_between_any_neighbours(label, number, before, after):
    placeholder = spell(label, number)
    assert (placeholder, placeholder) in found(f"{before}{placeholder}{after}", "PERSON", "EMAIL_ADDRESS")


@pytest.mark.parametrize("other", ["PERSON_1", "[PERSON_0]", "[person_1]", "[PERSON_1] ", "[_1]", "[PERSON_01]", ""])
def test_only_the_exact_spelling_parses(other):
    assert parse("[EMAIL_ADDRESS_12]") == ("EMAIL_ADDRESS", 12)
    assert parse(other) is None


def test_a_hash_is_not_a_mention_of_the_number_it_begins_with():
    assert found("[PERSON_3fa9c1d20b77]") == []


def test_known_mentions_are_placeholders_and_fakes_in_the_order_of_the_text():
    known = {"[PERSON_1]": "Ann", "Joan Doe": "Eve"}
    text = "Joan Doe met person_1 and [PERSON_2]"
    assert [mention.span.of(text) for mention in StandIns(known).mentions(text)] == ["Joan Doe", "person_1"]


@pytest.mark.parametrize("hostile", ["[", "PERSON ", "PERSON_", "[PERSON_1", "1", "\\", "P", "person"])
def test_time_is_linear_in_the_text(hostile):
    text = hostile * 100_000
    assert least_seconds(lambda: found(text, "PERSON", "EMAIL_ADDRESS"), enough=2) <= 2


@given(st.lists(st.text("aAb 1", min_size=1, max_size=4), unique=True), st.text("aAb 1"))
def test_fakes_are_found_as_a_pattern_of_all_of_them_would_find_them(fakes, text):
    def apart(fake):
        begin, end = ("[aAb]" if edge.isalpha() else edge if edge == "1" else r"(?!)." for edge in (fake[0], fake[-1]))
        return f"(?<!{begin}){re.escape(fake)}(?!{end})"

    longest_first = sorted(fakes, key=len, reverse=True)
    pattern = re.compile("|".join(map(apart, longest_first)) if fakes else r"(?!)")
    found = StandIns(dict.fromkeys(fakes, "value")).mentions(text)
    assert [(one.placeholder, one.span.start) for one in found] == [
        (match[0], match.start()) for match in pattern.finditer(text)
    ]


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("Try 203.0.113.387 or Lakeside", []),
        ("Try 203.0.113.38. Or Lake's", ["203.0.113.38", "Lake"]),
        ("ip203.0.113.38x", ["203.0.113.38"]),
        ("在Lake的", ["Lake"]),
    ],
)
def test_a_fake_is_no_part_of_a_longer_word_or_number(text, mentioned):
    known = {"203.0.113.38": "10.20.10.77", "Lake": "Springfield"}
    assert [mention.placeholder for mention in StandIns(known).mentions(text)] == mentioned


def test_to_add_one_and_to_find_it_costs_no_look_at_the_others():
    def seconds(count):
        def work():
            stand_ins = StandIns({})
            for number in range(count):
                stand_ins.add(spell("PERSON", number + 1), "a")
                stand_ins.add(f"Joan {number} Doe", "b")
                stand_ins.mentions("Joan 1 Doe and [PERSON_1]")

        return least_seconds(work, runs=2)

    assert seconds(2_000) < 20 * seconds(200)
