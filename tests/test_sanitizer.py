import re

from hypothesis import given
from hypothesis import strategies as st

from scanner_service.sanitizer import Operator, Redaction, merge, sanitize
from scanner_service.text import Span

texts = st.text(st.sampled_from("ab 1_[]PERSON\U0001f600é"), max_size=60)
labels = st.sampled_from(["PERSON", "EMAIL_ADDRESS", "AWS_KEY"])


@st.composite
def redacted_texts(draw, operators=st.sampled_from(Operator)):
    text = draw(texts)
    spans = draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))), max_size=6))
    return text, [Redaction(Span(*sorted(pair)), draw(labels), draw(operators)) for pair in spans]


def redact(text, *values, label="PERSON", operator=Operator.REPLACE):
    return sanitize(text, [Redaction(Span(text.index(v), text.index(v) + len(v)), label, operator) for v in values])


def test_equal_values_share_a_placeholder_and_others_do_not():
    text = "Ann met Bob, Ann left"
    spans = [Span(0, 3), Span(8, 11), Span(13, 16)]
    sanitized, replaced = sanitize(text, [Redaction(span, "PERSON") for span in spans])
    assert sanitized == "[PERSON_1] met [PERSON_2], [PERSON_1] left"
    assert replaced == {"[PERSON_1]": "Ann", "[PERSON_2]": "Bob"}


def test_a_placeholder_that_the_text_already_holds_is_not_given_out():
    sanitized, replaced = redact("[PERSON_1] wrote to Ann", "Ann")
    assert sanitized == "[PERSON_1] wrote to [PERSON_2]"
    assert replaced == {"[PERSON_2]": "Ann"}


def test_a_look_alike_of_a_placeholder_is_not_given_out_either():
    for taken in ("person_1", "PERSON 1", "[Person-1]", "PERSON1", "email address 1 and PERSON_1", "<person-1>"):
        assert redact(f"{taken} wrote to Ann", "Ann")[0] == f"{taken} wrote to [PERSON_2]"


def test_each_operator_does_what_it_says():
    assert redact("I am Ann.", "Ann", operator=Operator.MASK) == ("I am ***.", {})
    assert redact("I am Ann.", "Ann", operator=Operator.REDACT) == ("I am .", {})
    assert redact("I am Ann.", "Ann", operator=Operator.KEEP) == ("I am Ann.", {})


def test_overlapping_redactions_become_one_named_for_the_longest():
    merged = merge([Redaction(Span(0, 4), "PERSON"), Redaction(Span(2, 20), "EMAIL_ADDRESS")])
    assert list(merged) == [Redaction(Span(0, 20), "EMAIL_ADDRESS")]


def test_what_one_rule_keeps_another_may_still_redact():
    merged = merge([Redaction(Span(0, 9), "PERSON", Operator.KEEP), Redaction(Span(2, 4), "AWS_KEY")])
    assert list(merged) == [Redaction(Span(2, 4), "AWS_KEY")]


@given(redacted_texts())
def test_outside_findings_the_sanitized_text_is_the_original(case):
    text, redactions = case
    kept, at = [], 0
    for item in merge(redactions):
        kept.append(re.escape(text[at : item.span.start]))
        at = item.span.end
    kept.append(re.escape(text[at:]))
    assert re.fullmatch(".*?".join(kept), sanitize(text, redactions)[0], re.DOTALL)


@given(redacted_texts(operators=st.just(Operator.REPLACE)))
def test_putting_the_values_back_gives_the_original(case):
    text, redactions = case
    sanitized, replaced = sanitize(text, redactions)
    for placeholder, value in replaced.items():
        assert placeholder not in text
        sanitized = sanitized.replace(placeholder, f"\x00{value}\x00")
    assert sanitized.replace("\x00", "") == text
