import re
import threading

import pytest
from faker import Faker
from hypothesis import given
from hypothesis import strategies as st

from scanner_service import sanitizer
from scanner_service.restore import restore
from scanner_service.sanitizer import Operator, Redaction, merge
from scanner_service.substitutes import FAKES, Substitutes
from scanner_service.text import Span

texts = st.text(st.sampled_from("ab 1_[]PERSON\U0001f600é"), max_size=60)
labels = st.sampled_from(["PERSON", "EMAIL_ADDRESS", "AWS_KEY"])


@st.composite
def redacted_texts(draw, only=None):
    operators = st.sampled_from(sorted(set(Operator) - {Operator.FAKE})) if only is None else st.just(only)
    text = draw(texts)
    spans = draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))), max_size=6))
    return text, [Redaction(Span(*sorted(pair)), draw(labels), draw(operators)) for pair in spans]


def sanitize(text, redactions, known=None):
    substitutes = Substitutes(text, known, b"key")
    return sanitizer.sanitize(text, redactions, substitutes), substitutes.values


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


def test_a_hash_is_the_same_for_equal_values_and_cannot_be_put_back():
    text = "Ann met Bob, Ann left"
    spans = [Span(0, 3), Span(8, 11), Span(13, 16)]
    sanitized, replaced = sanitize(text, [Redaction(span, "PERSON", Operator.HASH) for span in spans])
    one, other, again = re.findall(r"\[PERSON_[0-9a-f]{12}\]", sanitized)
    assert one == again != other
    assert replaced == {}


def test_a_fake_is_of_the_same_sort_and_the_same_each_time():
    text = "Ann <ann@corp.com> wrote, Ann left"
    spans = [(Span(0, 3), "PERSON"), (Span(5, 17), "EMAIL_ADDRESS"), (Span(26, 29), "PERSON")]
    redactions = [Redaction(span, label, Operator.FAKE) for span, label in spans]
    sanitized, replaced = sanitize(text, redactions)
    person, email = replaced
    assert sanitized == f"{person} <{email}> wrote, {person} left"
    assert re.fullmatch(r"[^@\s]+@example\.(com|org|net)", email)
    assert sanitize(text, redactions)[0] == sanitized
    assert restore(sanitized, replaced) == text


def test_a_label_without_a_sort_of_fakes_gets_a_placeholder():
    assert redact("key AKIA", "AKIA", label="AWS_KEY", operator=Operator.FAKE)[0] == "key [AWS_KEY_1]"


def test_spelling_variants_share_a_placeholder_when_asked():
    text = "Ann Lee, ANN LEE and ann-lee"
    spans = [Span(0, 7), Span(9, 16), Span(21, 28)]
    sanitized, _ = sanitize(text, [Redaction(span, "PERSON", fold=True) for span in spans])
    assert sanitized == "[PERSON_1], [PERSON_1] and [PERSON_1]"
    assert sanitize(text, [Redaction(span, "PERSON") for span in spans])[0].count("PERSON_1") == 1


def test_spelling_variants_of_a_value_of_an_earlier_turn_have_its_placeholder():
    known = {"[PERSON_1]": "Ann Lee"}
    text = "ANN-LEE and annlee"
    spans = [Span(0, 7), Span(12, 18)]
    folded, _ = sanitize(text, [Redaction(span, "PERSON", fold=True) for span in spans], known)
    assert folded == "[PERSON_1] and [PERSON_1]"
    exact, _ = sanitize(text, [Redaction(spans[0], "PERSON", fold=True), Redaction(spans[1], "PERSON")], known)
    assert exact == "[PERSON_1] and [PERSON_2]"


def test_a_value_of_an_earlier_turn_keeps_its_placeholder_and_a_new_one_gets_a_new_one():
    known = {"[PERSON_1]": "Bob", "[PERSON_2]": "Ann"}
    text = "Ann met Eve"
    sanitized, replaced = sanitize(text, [Redaction(Span(0, 3), "PERSON"), Redaction(Span(8, 11), "PERSON")], known)
    assert sanitized == "[PERSON_2] met [PERSON_3]"
    assert replaced == known | {"[PERSON_3]": "Eve"}


def test_a_placeholder_that_stands_for_a_known_value_is_not_redacted_again():
    known = {"[PERSON_1]": "Ann"}
    assert sanitize("Dear [PERSON_1]!", [Redaction(Span(6, 14), "ORGANIZATION")], known)[0] == "Dear [PERSON_1]!"
    assert sanitize("Dear [PERSON_9]!", [Redaction(Span(5, 15), "ORGANIZATION")], known)[0] == "Dear [ORGANIZATION_1]!"


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


@given(redacted_texts(Operator.REPLACE))
def test_putting_the_values_back_gives_the_original(case):
    text, redactions = case
    sanitized, replaced = sanitize(text, redactions)
    assert restore(sanitized, replaced) == text


def test_a_fake_does_not_depend_on_those_made_before():
    cases = [(label, f"value {number}") for label in FAKES for number in range(5)]
    alone = [Substitutes("", key=b"key").fake(*case) for case in cases]
    assert [Substitutes("", key=b"key").fake(*case) for case in reversed(cases)] == alone[::-1]


def test_what_makes_fakes_is_made_once_a_thread(monkeypatch):
    made = []

    class Counted(Faker):
        def __init__(self, *arguments):
            made.append(threading.get_ident())
            super().__init__(*arguments)

    monkeypatch.setattr("faker.Faker", Counted)

    def work():
        for number in range(5):
            Substitutes("").fake("PERSON", str(number))

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(made) == 2


def test_it_is_checked_before_each_stand_in_whether_to_go_on():
    calls = []

    def check():
        calls.append(1)
        if len(calls) == 3:
            raise TimeoutError

    redactions = [Redaction(Span(at, at + 1), "PERSON") for at in range(0, 20, 2)]
    substitutes = Substitutes("")
    with pytest.raises(TimeoutError):
        sanitizer.sanitize("a b c d e f g h i j", redactions, substitutes, check)
    assert len(substitutes.values) == 2


def test_a_value_of_an_earlier_turn_keeps_its_fake():
    first, known = redact("Ann wrote", "Ann", operator=Operator.FAKE)
    text = f"{first}. Ann again"
    again = [Redaction(Span(text.index("Ann"), text.index("Ann") + 3), "PERSON", Operator.FAKE)]
    assert sanitize(text, again, known) == (f"{first}. {first.removesuffix(' wrote')} again", known)
