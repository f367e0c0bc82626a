"""What the result of a stream says of all of its segments together."""

import re
from dataclasses import dataclass

import pytest

from scanner_service.findings import Action
from scanner_service.policy import Rule
from tests.test_stream import EMAIL, KEY, rule, stream


@dataclass(frozen=True)
class FailsOn:
    """Cannot run where it meets a word."""

    word: str
    needs: tuple = ()

    def scan(self, text, context):
        if self.word in text.value:
            raise RuntimeError
        return ()


@pytest.mark.parametrize("before", [0, 300, 900])
def test_a_rule_that_could_not_run_in_one_segment_says_so_at_the_end(before):
    excused = Rule(name="one", kind="test", scanner=FailsOn("boom"), action=Action.BLOCK, on_error=Action.ALLOW)
    text = "word " * before + "boom " + "word " * (900 - before)
    shown, result = stream(re.findall(r".{1,50}", text), [excused, EMAIL])
    assert "".join(shown) == text
    assert (result.is_valid, [one.error for one in result.results]) == (True, ["scanner_failed", None])


def test_what_was_found_piece_by_piece_is_not_found_again_at_the_end():
    whole = rule(r"\Anothing\Z", "ALL", Action.BLOCK, whole_text=True)
    _, result = stream(["write to ann@example.com ", "word " * 100], [EMAIL, whole])
    assert [(one.scanner, len(one.findings)) for one in result.results] == [("email_address", 1), ("all", 0)]


def test_a_finding_that_begins_with_the_output_is_held_back_until_it_ends():
    key = "-----BEGIN KEY----- " + "lines of the key " * 70 + "-----END KEY-----"
    shown, result = stream(re.findall(r".{1,50}", key + " and " + "words " * 60), [KEY])
    assert "".join(shown).startswith("[PRIVATE_KEY_1] and words")
    assert [hit.span.of(key) for hit in result.results[0].findings] == [key]
