import hashlib
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service import linear_regex
from scanner_service.errors import ConfigError
from scanner_service.text import Span
from tests.timing import least_seconds

alphabet = st.sampled_from("ab1 _-é\U0001f600\u0301\ud83d\x00\nK")


def matches(pattern, text, **settings):
    return [span.of(text) for span in linear_regex.compile(pattern, **settings).finditer(text)]


def test_spans_count_characters_and_not_bytes():
    text = "é\U0001f600 key-1, \U0001f468\u200d\U0001f469 key-22"
    spans = list(linear_regex.compile(r"key-\d+").finditer(text))
    assert [span.of(text) for span in spans] == ["key-1", "key-22"]
    assert spans[0] == Span(3, 8)


def test_a_group_can_be_asked_for_instead_of_the_match():
    pattern = linear_regex.compile("é=(\\w+)?")
    assert pattern.groups == 1
    text = "é=one é= é=two"
    assert [span.of(text) for span in pattern.finditer(text, group=1)] == ["one", "two"]


def test_case_counts_unless_it_is_told_not_to():
    assert matches("key", "key KEY Key") == ["key"]
    assert matches("key", "key KEY Key", case_sensitive=False) == ["key", "KEY", "Key"]
    assert matches("straße", "STRAßE", case_sensitive=False) == ["STRAßE"]


def test_empty_matches_are_left_out():
    assert matches("a*", "baab") == ["aa"]
    assert matches("", "é") == []


def test_an_empty_match_is_a_match_for_who_only_asks_whether_there_is_one():
    assert linear_regex.compile("^a*$").is_in("")
    assert linear_regex.compile("é$").is_in("caf\ud83dé")
    assert not linear_regex.compile("^a*$").is_in("b")


def test_a_lone_surrogate_does_not_stop_the_search_or_shift_it():
    assert list(linear_regex.compile("b").finditer("a\ud83db")) == [Span(2, 3)]


@pytest.mark.parametrize(
    "pattern", ["(?=a)", "(?<!a)b", r"(a)\1", "a++", "(?>a)", "(", "a**", "[z-a]", "a{2000}", "((a{100}){100}){100}"]
)
def test_what_the_engine_cannot_do_is_a_configuration_error(pattern):
    with pytest.raises(ConfigError, match="linear-time engine"):
        linear_regex.compile(pattern)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [(r"a\C", "part of a character"), ("a\ud800", "lone surrogate"), ("(.{0,900}a){1,1}.{0,900}b", "instructions")],
)
def test_what_would_be_slow_or_cut_a_character_is_a_configuration_error(pattern, reason):
    with pytest.raises(ConfigError, match=reason):
        linear_regex.compile(pattern)


def test_a_refused_pattern_prints_nothing(capfd):
    with pytest.raises(ConfigError):
        linear_regex.compile("(")
    list(linear_regex.compile("[a-q][^u-z]{300}x").finditer("abq" * 3000))
    assert capfd.readouterr() == ("", "")


@given(st.text(alphabet, max_size=40), st.sampled_from(["a+", "[^a]", "é|\U0001f600", r"\d", ".", r"\s[a-z]"]))
def test_matches_are_those_of_the_standard_library(text, pattern):
    spans = [match.span() for match in re.finditer(pattern, text)]
    assert [(span.start, span.end) for span in linear_regex.compile(pattern).finditer(text)] == spans


@given(st.text(max_size=20), st.text(max_size=60))
def test_an_escaped_value_matches_itself(value, text):
    pattern = linear_regex.compile(linear_regex.escape(value.encode("utf-8", "replace").decode()))
    assert all(span.of(text) == value for span in pattern.finditer(text))


@pytest.mark.parametrize(
    ("pattern", "unit"),
    [
        (r"(a+)+b", "a"),
        (r"(\w+\s?)*$", "a "),
        (r"(a|a)*(a|a)*c", "a"),
        (r"\S+@\S+", "x@y "),
        ("[a-q][^\n]{14}b", "a"),
        ("(?:.*a){5}x", "\U0001f600a"),
    ],
)
def test_hostile_patterns_take_time_in_proportion_to_the_text(pattern, unit):
    compiled = linear_regex.compile(pattern)
    text = unit * (200_000 // len(unit))
    assert least_seconds(lambda: list(compiled.finditer(text)), enough=1.5) <= 1.5


@pytest.mark.parametrize(("source", "unit"), [("a[^b]*b|a", "a"), ("(?:<[^>]*>)?", "<")], ids=["short", "empty"])
def test_matches_that_each_look_ahead_to_the_end_are_closed_by_one_long_span(monkeypatch, source, unit):
    monkeypatch.setattr(linear_regex, "SECONDS", 0.05)
    text = "é" + unit * 200_000
    pattern = linear_regex.compile(source)
    spans = list(pattern.finditer(text))
    assert least_seconds(lambda: list(pattern.finditer(text)), enough=1) <= 1
    assert spans[0].start >= 1
    assert spans[-1].end == len(text)
    assert len(spans[-1]) > 1
    assert all(one.end == two.start for one, two in pairwise(spans))


def test_a_pattern_for_the_whole_is_compiled_alone():
    assert linear_regex.compile_whole("a|ab").is_in("ab")
    assert not linear_regex.compile_whole("a|ab").is_in("abc")
    assert not linear_regex.compile_whole("a").is_in("a\n")
    with pytest.raises(ConfigError):
        linear_regex.compile_whole("test_)|(?:sk")


@pytest.mark.parametrize("pattern", ["^$", r"\b", "x{0}", "$a", r"\B|^", "(?m)^", r"[^\x00-\x{10FFFF}]", r"(?:\b)+"])
def test_a_pattern_that_can_find_nothing_is_a_configuration_error(pattern):
    assert list(linear_regex.compile(pattern).finditer("a $a x\n\nb -x")) == []
    for compile_ in (linear_regex.compile_search, linear_regex.compile_whole):
        with pytest.raises(ConfigError, match="finds nothing"):
            compile_(pattern)


@pytest.mark.parametrize(
    "pattern", ["a*", "foo|", r"\Bx", r"x\B", r"\b-v\b", r"(?m)$\nfoo", r"(?m)^\s*$", r"\n", r"\x00", r"\\b", r"é"]
)
def test_a_pattern_that_can_find_something_is_none(pattern):
    assert linear_regex.compile_search(pattern).source == pattern


@pytest.mark.parametrize("pattern", [".*", ".+", r"(?s).*", r"[\s\S]+", r"|.*", r".{1,500}"])
def test_a_pattern_that_allows_every_value_is_a_configuration_error(pattern):
    linear_regex.compile_search(pattern)
    with pytest.raises(ConfigError, match="matches every value"):
        linear_regex.compile_whole(pattern)


PATTERNS = ["gh[ps]_[a-z]{3}", r"(?i:asana)\W(\w+)", r"[a-f0-9]{4}-us\d", "é+x", r"\d{3}", "\U0001f600", "K"]


@given(st.text(st.sampled_from("gh_psabcASANAasana =0123-us\U0001f600éxkK\ud83d\x01"), max_size=40))
def test_a_set_never_leaves_out_a_pattern_that_matches(text):
    patterns = [linear_regex.compile(pattern, case_sensitive=index != 6) for index, pattern in enumerate(PATTERNS)]
    candidates = linear_regex.PatternSet(patterns).candidates(text)
    assert {index for index, pattern in enumerate(patterns) if any(pattern.finditer(text))} <= set(candidates)


def test_a_set_leaves_out_most_of_what_cannot_match():
    patterns = [linear_regex.compile(f"word{index:04}[a-z]+") for index in range(1000)]
    assert list(linear_regex.PatternSet(patterns).candidates("a word0017x and word0400y")) == [17, 400]
    assert list(linear_regex.PatternSet(patterns).candidates("nothing")) == []


def test_a_set_may_be_larger_than_what_the_engine_takes_at_once():
    patterns = [linear_regex.compile(hashlib.sha256(b"%d" % index).hexdigest()) for index in range(5000)]
    many = linear_regex.PatternSet([*patterns, linear_regex.compile("last"), linear_regex.compile("")])
    text = " ".join(patterns[index].source for index in (4999, 0, 2500, 77)) + " last"
    assert list(many.candidates(text)) == [0, 77, 2500, 4999, 5000, 5001]
    assert [span.of(text)[:4] for span in many.finditer(text)] == [
        *(patterns[index].source[:4] for index in (0, 77, 2500, 4999)),
        "last",
    ]
    assert list(linear_regex.PatternSet([]).candidates(text)) == []


def test_a_set_whose_engine_gives_up_leaves_nothing_out():
    patterns = linear_regex.PatternSet([linear_regex.compile(word) for word in ("one", "two", "three")])

    class GivesUp:
        def Match(self, text, potential):  # noqa: N802 - the name is RE2's
            return None

    patterns._filters = [(indices, GivesUp()) for indices, _ in patterns._filters]
    assert list(patterns.candidates("nothing")) == [0, 1, 2]
