import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.errors import ConfigError
from scanner_service.scanners import patterns
from scanner_service.scanners._presidio.listed import Listed, any_of
from scanner_service.testing import run_scanner
from tests.timing import least_seconds


def scanner(*entries, **options):
    return patterns.build(patterns.Config(entries=[patterns.Entry(**entry) for entry in entries], **options), {})


def found(text, *entries, **options):
    findings = run_scanner(scanner(*entries, **options), text)
    return sorted((finding.label, finding.span.of(text)) for finding in findings)


def test_every_occurrence_of_every_substring_and_pattern_is_found_under_its_label():
    entries = [
        {"label": "CODENAME", "substrings": ["bluebird", "red fox"]},
        {"label": "TICKET", "patterns": [r"[A-Z]{3}-\d+", r"#\d+"]},
    ]
    text = "Bluebird: ABC-1 and ABC-22, #7. bluebird, red fox."
    assert found(text, *entries) == [
        ("CODENAME", "Bluebird"),
        ("CODENAME", "bluebird"),
        ("CODENAME", "red fox"),
        ("TICKET", "#7"),
        ("TICKET", "ABC-1"),
        ("TICKET", "ABC-22"),
    ]


def test_overlapping_substrings_are_all_found():
    assert found("abcd", {"substrings": ["abc", "bcd", "c"]}) == [
        ("PATTERN", "abc"),
        ("PATTERN", "bcd"),
        ("PATTERN", "c"),
    ]


def test_a_substring_is_no_pattern():
    assert found("a.c abc", {"substrings": ["a.c"]}) == [("PATTERN", "a.c")]


def test_a_word_counts_only_where_it_begins_and_ends():
    entry = {"substrings": ["test", "né", "-v", "C++"], "match": "word"}
    text = "latest test, testing (test) test_2 née né -v x-v -vv c++ c++11"
    assert found(text, entry) == [
        ("PATTERN", "-v"),
        ("PATTERN", "-v"),
        ("PATTERN", "c++"),
        ("PATTERN", "c++"),
        ("PATTERN", "né"),
        ("PATTERN", "test"),
        ("PATTERN", "test"),
    ]


def test_a_word_is_found_behind_a_word_that_contains_it():
    assert found("ab a a", {"substrings": ["a a"], "match": "word"}) == [("PATTERN", "a a")]
    assert found("x a x a", {"substrings": ["x", "a"], "match": "word"}) == [
        ("PATTERN", word) for word in ("a", "a", "x", "x")
    ]


@pytest.mark.parametrize("text", ["我们使用Acme产品", "Acme는 회사", "テスト Acmeの製品", "ใช้Acmeทุกวัน"])
def test_a_word_is_found_beside_scripts_that_put_no_space_between_words(text):
    assert found(text, {"substrings": ["Acme"], "match": "word"}) == [("PATTERN", "Acme")]
    assert found(text.replace("Acme", "Acmeville"), {"substrings": ["Acme"], "match": "word"}) == []


@pytest.mark.parametrize(
    ("text", "word"), [("秘密計画について", "計画"), ("日本語テスト", "テスト"), ("아크메는 회사", "아크메")]
)
def test_a_word_of_such_a_script_is_found_anywhere(text, word):
    assert found(text, {"substrings": [word], "match": "word"}) == [("PATTERN", word)]


def test_words_of_vietnamese_end_where_their_letters_do():
    assert found("đẹp đẹpx xđẹp", {"substrings": ["đẹp"], "match": "word"}) == [("PATTERN", "đẹp")]


@pytest.mark.parametrize("gap", ["\n", "  ", "\r\n", "\t", "\u2003", "\u00a0 "])
@pytest.mark.parametrize("match", ["word", "substring"])
def test_any_white_space_fills_the_gap_between_words(gap, match):
    text = f"the Red{gap}Fox, not RedFox"
    assert found(text, {"substrings": ["red fox"], "match": match}) == [("PATTERN", f"Red{gap}Fox")]


def test_white_space_at_the_ends_of_a_substring_counts_and_an_apostrophe_may_be_curly():
    assert found("a b  c", {"substrings": [" ", " c"]}) == [("PATTERN", " ")] * 3 + [("PATTERN", " c")]
    assert found("I can’t and can't", {"substrings": ["can't"]}) == [("PATTERN", "can't"), ("PATTERN", "can’t")]


def test_case_counts_when_it_is_told_to():
    assert found("Key KEY", {"substrings": ["KEY"], "patterns": ["K.Y"], "case_sensitive": True}) == [
        ("PATTERN", "KEY")
    ]
    assert found("ÉTÉ", {"substrings": ["été"]}) == [("PATTERN", "ÉTÉ")]


def test_an_entry_can_ask_for_all_of_its_parts():
    entry = {"substrings": ["salary", "name"], "patterns": [r"\d{4}"], "contains_all": True}
    assert found("name and salary", entry) == []
    assert found("name, salary: 5000", entry) == [("PATTERN", "5000"), ("PATTERN", "name"), ("PATTERN", "salary")]


def test_a_text_without_anything_that_is_allowed_is_a_finding_of_all_of_it():
    assert found("SELECT 1", {"patterns": ["^select "]}, mode="allow") == []
    assert found("DROP x", {"patterns": ["^select "]}, mode="allow") == [("NOT_ALLOWED", "DROP x")]
    assert found("", {"patterns": ["^select "]}, mode="allow") == [("NOT_ALLOWED", "")]


def test_an_encoded_phrase_does_not_make_a_text_allowed():
    encoded = "c2VsZWN0IHRoZSBmaXJzdCByb3c="  # select the first row
    assert found(f"{encoded} DROP", {"substrings": ["select"]}, mode="allow") == [("NOT_ALLOWED", f"{encoded} DROP")]


@pytest.mark.parametrize(
    "text",
    [
        "say l e t m e i n now",
        "say l.3.t.m.3.1.n now",
        "say lеtmеin now",
        "say let\u200bme\u200bin now",
        "say ｌｅｔｍｅｉｎ now",
        "say l3tm3in now",
        "say L E T M E I N now",
    ],
)
def test_a_disguised_word_is_found_where_it_stands(text):
    (finding,) = run_scanner(scanner({"substrings": ["letmein"]}), text)
    assert finding.view == "normalized"
    assert text[: finding.span.start] == "say "
    assert text[finding.span.end :] == " now"


@pytest.mark.parametrize("text", ["let me in", "ietmein", "LETMEIN", "outletmeinung", "l e t me in", "l. et me in"])
def test_what_is_no_disguise_is_not_taken_for_one(text):
    assert found(text, {"substrings": ["letmein"], "match": "word"}) == [("PATTERN", text)] * (text == "LETMEIN")


@pytest.mark.parametrize("text", ["P A S S W O R D", "PА5SWORD"])
def test_capitals_are_disguised_like_small_letters(text):
    assert found(text, {"substrings": ["password"]}) == [("PATTERN", text)]


def test_a_disguise_can_be_left_out():
    assert found("l 3 t m e i n", {"substrings": ["letmein"], "disguised": False}) == []
    assert found("l 3 t m e i n", {"substrings": ["letmein"], "case_sensitive": True}) == []


def test_what_is_found_in_the_text_itself_is_not_reported_for_its_derivations():
    findings = run_scanner(scanner({"substrings": ["letmein"]}), "letmein and w\u200bait")
    assert [finding.view for finding in findings] == ["raw"]


def test_an_encoded_phrase_that_occurs_twice_is_found_twice():
    encoded = base64.b64encode(b"tell them about project nightingale please").decode()
    text = f"first {encoded} and then {encoded} end"
    first, second = run_scanner(scanner({"substrings": ["project nightingale"]}), text)
    assert first.span.end <= text.index(" and then ") < second.span.start


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entries": [patterns.Entry()]}, r"entries\[0\]"),
        ({"entries": [patterns.Entry(patterns=["a", "(?=a)"])]}, r"entries\[0\]\.patterns\[1\]"),
        ({"entries": [patterns.Entry(substrings=["a"])], "views": ("raw", "upside_down")}, "upside_down"),
        (
            {"entries": [patterns.Entry(substrings=["a", "b"], contains_all=True), patterns.Entry(substrings=["c"])]},
            r"\$\.options\.entries.*a rule of their own",
        ),
        ({"entries": [patterns.Entry(patterns=["a", "^$"])]}, r"entries\[0\]\.patterns\[1\]`: .*finds nothing"),
        ({"entries": [patterns.Entry(patterns=["a"], match="word")]}, r"entries\[0\]\.match`: words are `substrings`"),
        (
            {"entries": [patterns.Entry(substrings=["a"])], "mode": "allow", "views": ("raw",)},
            r"\$\.options\.views`: .*leave them out",
        ),
    ],
)
def test_what_makes_no_sense_is_a_configuration_error_with_its_path(options, message):
    with pytest.raises(ConfigError, match=message):
        patterns.build(patterns.Config(**options), {})


@given(st.text(st.sampled_from("abB é_1"), max_size=30), st.lists(st.sampled_from(["a", "ab", "é", "b a"]), min_size=1))
def test_words_are_a_part_of_substrings(text, words):
    anywhere = found(text, {"substrings": words}, views=("raw",))
    assert set(found(text, {"substrings": words, "match": "word"}, views=("raw",))) <= set(anywhere)
    assert {value for _, value in anywhere} <= {part for part in map(str.strip, [text]) for part in _parts(part)} | {
        " "
    }


def _parts(text):
    return {text[start:end] for start in range(len(text)) for end in range(start, len(text) + 1)}


@pytest.mark.parametrize(
    ("text", "word", "spans"),
    [
        ("C++C++, c++", "C++", [(0, 3), (3, 6), (8, 11)]),
        ("ab-ab-a", "ab-a", [(3, 7)]),
        ("用A用A用", "A用", [(1, 3), (3, 5)]),
        ("\u2764\ufe0fAcme 1\ufe0f\u20e3Acme", "acme", [(2, 6), (10, 14)]),
        ("cafe\u0301acme, e\u0301\u0323acme, \u0301acme", "acme", [(21, 25)]),
        ("\u017fkey \u212aey \u212aeyk", "key", [(5, 8)]),
    ],
)
def test_words_beside_one_another_beside_emoji_and_behind_what_only_looks_like_one(text, word, spans):
    entry = {"substrings": [word], "match": "word", "disguised": False}
    found = run_scanner(scanner(entry, views=("raw",)), text)
    assert [(finding.span.start, finding.span.end) for finding in found] == spans


ALPHABET = "abkK_1é\u0301\u212a画のก-+ \n\u00a0"
WORDS = st.lists(st.text(ALPHABET, min_size=1, max_size=4), min_size=1, max_size=6)


@given(st.data(), WORDS, st.booleans())
def test_words_are_found_where_a_plain_search_finds_them(data, words, case_sensitive):
    pieces = st.one_of(st.sampled_from(words), st.text(ALPHABET, max_size=3))
    text = "".join(data.draw(st.lists(pieces, max_size=12)))
    expected = {span for word in words for span in _standing_alone(word, text, 0 if case_sensitive else re.IGNORECASE)}
    entry = {"substrings": words, "match": "word", "case_sensitive": case_sensitive, "disguised": False}
    findings = run_scanner(scanner(entry, views=("raw",)), text)
    assert {(finding.span.start, finding.span.end) for finding in findings} == expected
    if not case_sensitive:
        listed = Listed("WORD", any_of(words), 1.0, whole_words=True)
        assert {(result.start, result.end) for result in listed.analyze(text, ["WORD"])} == expected


def _standing_alone(word, text, flags):
    parts = re.findall(r"\s+|\S+", word)
    inner = range(1, len(parts) - 1)
    pattern = re.compile(
        "".join(r"\s+" if at in inner and part.isspace() else re.escape(part) for at, part in enumerate(parts)), flags
    )
    at = 0
    while at < len(text):
        match = pattern.match(text, at)
        if match and not (
            (_is_letter(match[0][0]) and _is_letter(text[:at].rstrip("\u0301")[-1:]))
            or (_is_letter(match[0][-1]) and _is_letter(text[match.end() : match.end() + 1]))
        ):
            yield match.span()
            at = match.end()
        else:
            at += 1


def _is_letter(character):
    return character != "" and character in "abkABK_1éÉ\u212a"


PHRASES = [f"code{first}name of the code{second}name" for first in range(50) for second in range(40)]


@pytest.mark.parametrize("match", ["word", "substring"])
def test_thousands_of_phrases_are_prepared_in_less_than_a_second(match):
    entry = {"substrings": PHRASES, "match": match}
    assert least_seconds(lambda: scanner(entry), enough=1) <= 1


def test_thousands_of_listed_words_are_prepared_in_less_than_a_second():
    assert least_seconds(lambda: any_of(PHRASES), enough=1) <= 1
    listed = Listed("WORD", any_of(PHRASES), 1.0, whole_words=True)
    assert [result.end for result in listed.analyze(f"the {PHRASES[7]}, x{PHRASES[8]}", ["WORD"])] == [
        4 + len(PHRASES[7])
    ]


@pytest.mark.parametrize("unit", ["éacme", "acmeé", "acme-", "xacme", "acme\u0301", "\u0301", "a", "k", "-acmes"])
def test_a_word_that_never_stands_alone_takes_time_in_proportion_to_the_text(unit):
    entry = {"substrings": ["acme", "a", "k", "-acme", "acme acme"], "match": "word", "disguised": False}
    words = scanner(entry, views=("raw",))
    text = unit * (100_000 // len(unit))
    assert least_seconds(lambda: run_scanner(words, text), enough=2) <= 2


@pytest.mark.parametrize("match", ["word", "substring"])
def test_ten_thousand_words_cost_little_more_than_one(match):
    many = scanner({"substrings": [f"codeword{index}x" for index in range(10_000)], "match": match}, views=("raw",))
    text = "ordinary words of an ordinary text " * 3000 + "codeword77x"
    assert len(run_scanner(many, text)) == 1
    assert least_seconds(lambda: run_scanner(many, text), enough=0.5) <= 0.5
