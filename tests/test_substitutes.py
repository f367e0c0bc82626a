import pytest

from scanner_service.substitutes import MOST_KEPT, Substitutes
from tests.test_stream import EMAIL, scan, stream

MENTIONS = [
    *("[EMAIL_ADDRESS_1]", "EMAIL ADDRESS 1", "email_address_1", "[email address 1]", "\\[EMAIL\\_ADDRESS\\_1\\]"),
    *("{Email-address 1 }", "<EMAIL_ADDRESS_1>", "[EMAIL_\u200bADDRESS_1]", "EMAIL-ADDRESS-1", "[EmailAddress1]"),
]


@pytest.mark.parametrize("mention", MENTIONS)
def test_what_an_earlier_piece_mentions_is_given_out_for_nothing_else(mention):
    substitutes = Substitutes("")
    substitutes.read_on(f"As in {mention}, where it was")
    substitutes.read_on("nothing of it")
    assert substitutes.placeholder("EMAIL_ADDRESS", "ann@example.com") == "[EMAIL_ADDRESS_2]"
    substitutes.read_on(mention.replace("1", "3"))
    substitutes.read_on("nothing of it")
    assert substitutes.placeholder("EMAIL_ADDRESS", "bob@example.com") == "[EMAIL_ADDRESS_4]"
    assert substitutes.placeholder("PERSON", "Bob") == "[PERSON_1]"


def test_how_much_is_kept_has_a_bound():
    substitutes = Substitutes("")
    for number in range(1, 3 * MOST_KEPT):
        substitutes.read_on(f"[PERSON_{number}]")
    assert len(substitutes._kept) == MOST_KEPT
    substitutes.read_on(f"[PERSON_{MOST_KEPT + 1}]")  # what is at hand counts all the same
    assert substitutes.placeholder("PERSON", "Bob") == f"[PERSON_{MOST_KEPT + 2}]"


@pytest.mark.parametrize("mention", MENTIONS)
def test_a_stream_gives_out_no_placeholder_that_it_has_shown(mention):
    text = f"As in {mention}, there are " + "words " * 100 + "and ann@example.com" + " words" * 40
    assert "".join(stream(list(text), [EMAIL], {})[0]) == scan(text, [EMAIL]).sanitized
    assert "[EMAIL_ADDRESS_2]" in scan(text, [EMAIL]).sanitized
