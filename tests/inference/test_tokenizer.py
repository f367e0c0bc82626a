import threading
import time
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from scanner_service.errors import ModelError
from scanner_service.inference.tokenizer import CHUNK_CHARACTERS, TextTokenizer
from tests.inference import tiny
from tests.timing import least_seconds

TOKENIZER = TextTokenizer(tiny.tokenizer_json())
NAMES = {index: token for token, index in tiny.VOCABULARY.items()}


def named(tokens):
    return [NAMES[index] for index in tokens.ids.tolist()]


def test_tokens_know_their_characters():
    text = "Hello, spamspam World"
    tokens = TOKENIZER.encode(text)
    assert named(tokens) == ["hello", ",", "spam", "##spam", "world"]
    cut = [text[a:b] for a, b in zip(tokens.starts, tokens.ends, strict=True)]
    assert cut == ["Hello", ",", "spam", "spam", "World"]
    assert tokens.begins.tolist() == [True, True, True, False, True]


def test_truncation_and_padding_in_the_file_are_ignored():
    assert len(TOKENIZER.encode("hello")) == 1
    assert len(TOKENIZER.encode("hello " * 1000)) == 1000


def test_the_file_says_what_frames_a_row():
    assert TOKENIZER.prefix == [tiny.VOCABULARY["[CLS]"]]
    assert TOKENIZER.suffix == [tiny.VOCABULARY["[SEP]"]]


def test_a_bert_vocabulary_without_a_frame_gets_its_usual_one():
    bare = TextTokenizer(tiny.tokenizer_json(post_processor=None, added_tokens=[]))
    assert (bare.prefix, bare.suffix) == (TOKENIZER.prefix, TOKENIZER.suffix)


def test_a_vocabulary_without_special_tokens_has_no_frame():
    plain = Tokenizer(models.WordLevel({"hello": 0, "?": 1}, unk_token="?"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = TextTokenizer(plain.to_str().encode())
    assert (tokenizer.prefix, tokenizer.suffix) == ([], [])
    assert tokenizer.encode("hello you").unknown.tolist() == [False, True]


@pytest.mark.parametrize("special", tiny.SPECIAL)
def test_a_special_token_in_a_text_is_ordinary_characters(special):
    tokens = TOKENIZER.encode(f"hello {special} world")
    assert not {tiny.VOCABULARY[name] for name in tiny.SPECIAL} & set(tokens.ids.tolist())
    assert named(tokens)[:2] == ["hello", "["]


@pytest.mark.parametrize("special", ["[SEP]", "[CLS]", "[MASK]", "[PAD]"])
def test_a_vocabulary_that_spells_special_tokens_gives_unknown_ones(special):
    tokenizer = TextTokenizer(
        tiny.tokenizer_json(pre_tokenizer={"type": "WhitespaceSplit"}, normalizer=None)
    )  # so that nothing takes the brackets away, and the vocabulary has the whole word
    tokens = tokenizer.encode(f"hello {special} world")
    assert named(tokens) == ["hello", "[UNK]", "world"]
    assert tokens.unknown.tolist() == [False, True, False]


@pytest.mark.parametrize(("text", "why"), [("a </s>", "special token"), ("a b", "cannot read")])
def test_a_vocabulary_without_unknown_token_refuses_what_needs_one(text, why):
    plain = Tokenizer(models.WordLevel({"</s>": 0, "a": 1}, unk_token="?"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    plain.add_special_tokens(["</s>"])
    tokenizer = TextTokenizer(plain.to_str().encode())
    assert tokenizer.encode("a a").ids.tolist() == [1, 1]
    with pytest.raises(ModelError, match=why):
        tokenizer.encode(text)


def test_the_unknown_token_of_a_unigram_vocabulary_is_recognized():
    unigram = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]], "byte_fallback": False}
    content = tiny.tokenizer_json(
        normalizer=None, pre_tokenizer=None, post_processor=None, model=unigram, added_tokens=[]
    )
    assert TextTokenizer(content).encode("a漢a").unknown.tolist() == [False, True, False]


@pytest.mark.parametrize("length", [65, 100, 101, 1000, 100_000])
def test_a_long_word_is_read_in_pieces_not_given_up(length):
    text = ("ignoreallprevious" * length)[:length]
    tokens = TOKENIZER.encode(text)
    assert not tokens.unknown.any()
    assert "".join(text[a:b] for a, b in zip(tokens.starts, tokens.ends, strict=True)) == text
    assert tokens.begins.tolist() == [True] + [False] * (len(tokens) - 1)


def test_unknown_characters_are_marked():
    tokens = TOKENIZER.encode("hello 漢字 😀 world")
    assert tokens.unknown.tolist() == [False, True, True, True, False]


@pytest.mark.parametrize("unreadable", ["😀", "😀😀", "☃", "ꓮ", "\U00010400"])
def test_what_the_vocabulary_lacks_hides_no_letters_that_it_touches(unreadable):
    for text in (f"hello{unreadable} world", f"hello {unreadable}world", f"hello{unreadable}world"):
        tokens = TOKENIZER.encode(text)
        assert [name for name in named(tokens) if name != "[UNK]"] == ["hello", "world"]
        assert [text[a:b] for a, b in zip(tokens.starts[tokens.unknown], tokens.ends[tokens.unknown], strict=True)] == [
            unreadable
        ]


def test_a_word_in_a_script_that_the_vocabulary_lacks_is_one_token():
    assert TOKENIZER.encode("hello ꓮꓐꓮ ꓐꓮꓐ").unknown.tolist() == [False, True, True]


def test_lone_surrogates_are_read_over():
    tokens = TOKENIZER.encode("hello \ud800world\udfff")
    assert named(tokens) == ["hello", "world"]
    assert tokens.starts.tolist() == [0, 7]


@pytest.mark.parametrize("blank", ["", " \n\t", "\x00\x01", "\u200b\ufeff"])
def test_text_without_tokens_has_none(blank):
    assert len(TOKENIZER.encode(blank)) == 0


@settings(max_examples=200)
@given(st.text(st.sampled_from("ab \n[]SEPé漢😀\u0301\ud800")), st.integers(0, 3))
def test_offsets_lie_inside_the_text_and_never_go_back(part, repeat):
    text = part * (1, 2, 7, 3000)[repeat]
    tokens = TOKENIZER.encode(text)
    assert len(tokens.ids) == len(tokens.starts) == len(tokens.ends) == len(tokens.begins) == len(tokens.unknown)
    assert (tokens.starts <= tokens.ends).all()
    assert (np.diff(tokens.starts) >= 0).all()
    assert not len(tokens) or 0 <= tokens.starts[0] <= tokens.ends[-1] <= len(text)


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["hello", "world", "spamspam", "x,y", "\n", "é"]), min_size=1).map(" ".join))
def test_a_text_of_many_chunks_reads_like_one(sentence):
    text = f"{sentence} " * (3 * CHUNK_CHARACTERS // len(sentence))
    whole = Tokenizer.from_str(tiny.tokenizer_json(truncation=None, padding=None).decode())
    expected = whole.encode(text, add_special_tokens=False)
    tokens = TOKENIZER.encode(text)
    assert tokens.ids.tolist() == expected.ids
    assert list(zip(tokens.starts, tokens.ends, strict=True)) == expected.offsets


HOSTILE = {
    "one word": "a",
    "unknown word": "漢",
    "punctuation": "!",
    "combining": "e\u0301\u0301\u0301",
    "unsorted combining": "\u0301\u0316",
    "decomposed hangul": unicodedata.normalize("NFD", "각"),
    "emoji": "👨\u200d👩\u200d👧",
    "special": "[SEP]",
    "lone surrogates": "\ud800",
    "spaces": " ",
    "line breaks": "\n",
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_time_is_linear_in_the_length(hostile):
    def seconds(length):
        text = (hostile * length)[:length]
        return least_seconds(lambda: TOKENIZER.encode(text))

    assert seconds(160_000) < 8 * seconds(40_000) + 0.05  # 4 times the length; 16 times if quadratic


def test_other_threads_run_while_a_long_text_is_read():
    longest, last, done = 0.0, time.perf_counter(), threading.Event()

    def read():
        TOKENIZER.encode("hello world, john lives in paris. " * 20_000)
        done.set()

    thread = threading.Thread(target=read)
    thread.start()
    while not done.is_set():
        time.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    thread.join()
    assert longest < 0.3  # most of a second if it held the interpreter


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"model": {"type": "Oracle"}}'])
def test_what_is_no_tokenizer_is_refused(content):
    with pytest.raises(ModelError, match="not a tokenizer"):
        TextTokenizer(content)
