"""What becomes of redactions that touch, hold or equal each other."""

from hypothesis import given
from hypothesis import strategies as st

from scanner_service.sanitizer import Operator, Redaction, merge, sanitize
from scanner_service.substitutes import Substitutes
from scanner_service.text import Span


def test_a_redaction_inside_another_cuts_nothing_off_it():
    outer = Redaction(Span(0, 20), "PRIVATE_KEY")
    assert list(merge([outer, Redaction(Span(2, 4), "PERSON")])) == [outer]


def test_redactions_that_only_touch_stay_two():
    text = "AnnBob"
    two = [Redaction(Span(0, 3), "PERSON", Operator.MASK), Redaction(Span(3, 6), "PERSON")]
    assert list(merge(two)) == two
    assert sanitize(text, two, Substitutes(text)) == "***[PERSON_1]"


def test_of_redactions_as_long_as_each_other_the_rule_that_comes_first_names_the_whole():
    first, second = Redaction(Span(0, 4), "PERSON", Operator.MASK), Redaction(Span(0, 4), "LOCATION")
    assert list(merge([first, second])) == [first]
    assert list(merge([second, first])) == [second]


def test_many_short_ones_in_a_row_are_not_the_longest_together():
    parts = [Redaction(Span(at, at + 4), "PERSON") for at in (0, 3, 6)]
    longer = Redaction(Span(9, 14), "EMAIL_ADDRESS")
    assert list(merge([*parts, longer])) == [Redaction(Span(0, 14), "EMAIL_ADDRESS")]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8))
def test_every_character_of_every_redaction_is_covered_and_no_other(pairs):
    spans = [Span(*sorted(pair)) for pair in pairs]
    merged = [item.span for item in merge(Redaction(span, "PERSON") for span in spans)]
    assert sorted({at for span in spans for at in range(span.start, span.end)}) == [
        at for span in merged for at in range(span.start, span.end)
    ]
