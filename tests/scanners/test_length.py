import json
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.errors import ConfigError
from scanner_service.inference import manifest
from scanner_service.scanner import ModelInfo
from scanner_service.scanners import length
from scanner_service.testing import run_scanner
from scanner_service.text import Span
from tests.inference import tiny
from tests.timing import least_seconds

VOCABULARY = {token: index for index, token in enumerate(["[PAD]", "[UNK]", "[SEP]", "word", "##s", "a", "b", "."])}


@pytest.fixture(scope="module")
def models():
    """A tokenizer file with the traps of published ones: truncation, padding, words given up, special tokens."""
    special = [
        {"id": VOCABULARY[token], "content": token, "special": True, "single_word": False, "lstrip": False}
        | {"rstrip": False, "normalized": False}
        for token in ("[PAD]", "[UNK]", "[SEP]")
    ]
    content = {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 8},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": VOCABULARY,
        },
    }
    return {"guard": ModelInfo(frozenset(), json.dumps(content).encode, "0" * 64)}


def scan(models, text, **options):
    return run_scanner(length.build(length.Config(**options), models), text)


def test_exactly_the_limit_passes_and_one_more_does_not(models):
    (passes,) = scan(models, "word " * 10, max_tokens=10)
    (fails,) = scan(models, "word " * 10 + "a", max_tokens=10)
    assert passes.score < 0.5
    assert fails.score == 1.0
    assert (fails.label, fails.span) == ("TOO_MANY_TOKENS", Span(50, 51))


def test_characters_have_a_limit_of_their_own(models):
    (passes,) = scan(models, "é" * 10, max_characters=10)
    (fails,) = scan(models, "é" * 13, max_characters=10)
    assert passes.score < 0.5
    assert (fails.label, fails.score, fails.span) == ("TOO_MANY_CHARACTERS", 1.0, Span(10, 13))
    assert len(scan(models, "word", max_characters=10, max_tokens=10)) == 2


def test_the_score_is_in_proportion_to_the_use_of_the_limit(models):
    scores = [scan(models, "a " * count, max_tokens=100)[0].score for count in (0, 25, 50, 100, 101, 5000)]
    assert scores == sorted(scores)
    assert scores[0] == 0
    assert scores[2] == pytest.approx(0.25, abs=0.01)
    assert scores[-2:] == [1.0, 1.0]


def test_a_text_too_short_to_reach_the_limit_is_not_counted(models):
    scanner = length.build(length.Config(max_tokens=1000), models)
    assert [finding.score for finding in run_scanner(scanner, "a " * 27)] == [0]
    assert run_scanner(scanner, "a " * 28)[0].score > 0


def test_no_character_has_more_characters_in_it_than_the_limit_allows_for():
    forms = ("NFC", "NFD", "NFKC", "NFKD")
    longest = max(len(normalize(form, chr(code))) for code in range(0x110000) for form in forms)
    assert longest == length.MAX_TOKENS_PER_CHARACTER


def test_neither_truncation_nor_padding_of_the_file_counts(models):
    assert scan(models, "a", max_tokens=7)[0].score < 0.5
    assert scan(models, "words " * 20, max_tokens=39)[0].span == Span(118, 120)


def test_a_word_that_the_tokenizer_gives_up_counts_for_all_its_characters(models):
    (finding,) = scan(models, "a " + "q" * 500, max_tokens=100)
    assert finding.score == 1.0
    assert finding.span == Span(101, 502)


def test_a_typed_special_token_is_text(models):
    assert scan(models, "[SEP]" * 3, max_tokens=8)[0].score == 1.0


@given(
    st.lists(st.sampled_from(["word", "words", "a", "b.", "\n", "q", "é", "\ud83d"]), max_size=40), st.integers(1, 20)
)
def test_the_part_past_the_limit_ends_with_the_text(models, words, limit):
    text = " ".join(words)
    (finding,) = scan(models, text, max_tokens=limit)
    assert finding.span.end == len(text)
    if finding.score < 0.5:
        assert finding.span.start == 0
    else:
        assert scan(models, text[: finding.span.start], max_tokens=limit)[0].score < 0.5


@pytest.mark.parametrize("unit", ["a", "a ", "word ", " ", ".", "q", "\u4f60", "\n"])
def test_a_text_far_over_the_limit_costs_little_more_than_the_limit(models, unit):
    scanner = length.build(length.Config(max_tokens=1000), models)
    text = unit * (1_000_000 // len(unit))
    assert least_seconds(lambda: run_scanner(scanner, text), enough=1) <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither"),
        ({"max_tokens": 5, "model": "other"}, "no `other` in the manifest; there are: guard"),
        ({"max_characters": 5, "model": "other"}, r"\$\.options\.model`: its tokenizer counts for `max_tokens`"),
    ],
)
def test_what_makes_no_sense_is_a_configuration_error(models, options, message):
    with pytest.raises(ConfigError, match=message):
        length.build(length.Config(**options), models)


def test_a_tokenizer_that_cannot_be_used_is_a_configuration_error():
    broken = {"guard": ModelInfo(frozenset(), "{}".encode, "0" * 64)}
    with pytest.raises(ConfigError, match="tokenizer of `guard` cannot be used"):
        length.build(length.Config(max_tokens=5), broken)


def test_a_tokenizer_that_is_not_the_one_of_the_manifest_is_a_configuration_error(tmp_path):
    loaded = manifest.load(tiny.write(tmp_path))
    length.build(length.Config(max_tokens=5, model="tiny"), loaded.info())
    (tmp_path / "tokenizer.json").write_bytes((tmp_path / "tokenizer.json").read_bytes() + b" ")
    with pytest.raises(ConfigError, match=r"its SHA-256 is .* the manifest says"):
        length.build(length.Config(max_tokens=5, model="tiny"), loaded.info())
