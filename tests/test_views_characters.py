"""Invisible characters that have no business where they stand."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.text import Span
from scanner_service.views import invisible_runs
from scanner_service.views.characters import INVISIBLE, members


def found(text):
    return [span.of(text) for span in invisible_runs(text)]


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("ig\u200bnore", ["\u200b"]),
        ("a\u200b\u200c\u200db", ["\u200b\u200c\u200d"]),
        ("hello\U000e0041\U000e0042", ["\U000e0041\U000e0042"]),
        ("😀\U000e0159\U000e015f", ["\U000e0159\U000e015f"]),
        ("❤️\ufe0f", ["\ufe0f"]),
        ("text\ufe0f", ["\ufe0f"]),
        ("👨\u200dx", ["\u200d"]),
        ("می\u200c\u200cخواهم", ["\u200c"]),
        ("user\u202etxt.exe", ["\u202e"]),
        ("שלום \u202eabc", ["\u202e"]),
        ("שלום ig\u200fnore", ["\u200f"]),
        ("hello\u200f world", ["\u200f"]),
        ("x\ufeffy", ["\ufeff"]),
        ("i\u00adg\u00adnore", ["\u00ad", "\u00ad"]),
        ("word\u00ad\u3164\u3164 and", ["\u00ad\u3164\u3164"]),
        ("a\x1b[32mb\x1b[0mc", ["\x1b[32m", "\x1b[0m"]),
        ("\x1b[1;31m\u200b\x1b[Kerror", ["\x1b[1;31m\u200b\x1b[K"]),
        ("\x9b0ma", ["\x9b0m"]),
        (
            "\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\",
            ["\x1b]8;;https://example.com\x1b\\", "\x1b]8;;\x1b\\"],
        ),
        ("\x1b]0;title\x07$", ["\x1b]0;title\x07"]),
        ("\x1b[Ignore", ["\x1b"]),
        ("\x1b]no end", ["\x1b"]),
        ("a\x00b\x1bc\x7f", ["\x00", "\x1b", "\x7f"]),
        ("a\u2060b\u2063c", ["\u2060", "\u2063"]),
        ("🏴\U000e0069\U000e0067\U000e006e\U000e007f", ["\U000e0069\U000e0067\U000e006e\U000e007f"]),
        ("a\u3164b", ["\u3164"]),
        ("\u115fa", ["\u115f"]),
    ],
)
def test_an_invisible_character_out_of_place_is_reported(text, runs):
    assert found(text) == runs


@pytest.mark.parametrize("text", ["tab\tand\r\nline\x0b\x0c", "syl\u00adla\u00adble", "\ufeffstart", ""])
def test_an_invisible_character_in_its_place_is_not(text):
    assert found(text) == []


def test_soft_hyphens_can_be_asked_for():
    assert list(invisible_runs("syl\u00adla", soft_hyphens=True)) == [Span(3, 4)]


# What begins a control sequence, whose run has visible characters too.
BEGINNINGS = "\x1b\x9b\x9d"


@given(
    st.text(
        st.one_of(
            st.sampled_from(sorted(members(INVISIBLE) - set(BEGINNINGS))), st.characters(exclude_characters=BEGINNINGS)
        ),
        max_size=60,
    )
)
def test_runs_are_in_order_apart_and_of_invisible_characters_alone(text):
    spans = list(invisible_runs(text))
    assert all(one.end <= two.start for one, two in pairwise(spans))
    assert all(span and members(INVISIBLE).issuperset(span.of(text)) for span in spans)


@given(
    st.text(
        st.characters(
            exclude_categories=["Cc", "Cf", "Cn", "Mn", "Cs"], exclude_characters="\u115f\u1160\u2800\u3164\uffa0"
        )
    )
)
def test_visible_text_has_none(text):
    assert found(text) == []


def test_members_reads_ranges():
    assert members("a-cx") == frozenset("abcx")
