import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner_service.segments import CONTEXT, MARGIN, MAX_HELD, SEGMENT, Segments
from tests.timing import least_seconds


def windows(pieces):
    """What each segment is and what is looked at with it, as they come."""
    segments, found = Segments(), []
    for number, piece in enumerate([*pieces, ""]):
        segments.add(piece)
        while (window := segments.next(final=number == len(pieces))) is not None:
            found.append((window.done, window.cut, window.end, window.text))
            segments.decide(window.cut)
        segments.forget()
    return found


def cuts(text):
    return [cut for _, cut, _, _ in windows([text])][:-1]


WORDS = st.sampled_from(
    [
        *(
            "word ",
            "x" * 90,
            "\x1b]0;a title \x07",
            "\x1b]",
            "\x1b",
            "\x1b[1;3",
            "m",
            "\x1b[",
            "\x07",
            "\x9b",
            "\u200b" * 60,
        ),
        *(
            "01100101 " * 4,
            "2d ",
            "\x1f" * 130,
            " ",
            "\n",
            "lorem ipsum dolor sit amet ",
            "\x1b]0;" + "no title " * 120,
        ),
    ]
)


@settings(deadline=None, max_examples=150)
@given(st.lists(WORDS, max_size=40).map("".join), st.integers(1, 50))
def test_segments_are_the_whole_text_and_the_same_in_any_pieces(text, length):
    whole = windows([text])
    assert windows([text[at : at + length] for at in range(0, len(text), length)]) == whole
    assert windows(list(text)) == whole
    assert [done for done, *_ in whole] == [0, *(cut for _, cut, *_ in whole)][: len(whole)]
    assert not text or whole[-1][1] == len(text)
    assert all(text[:end].endswith(seen) for _, _, end, seen in whole)
    assert all(min(done, CONTEXT) <= len(seen) - (end - done) <= MAX_HELD for done, _, end, seen in whole)


BEFORE, BEHIND = "plain words only " * 6, " and more of them" * 8


@pytest.mark.parametrize(
    "joined",
    [
        "4111\x1b]0;" + "lorem ipsum dolor " * 20 + "\x071111",
        "4111\x1b]0;" + "lorem ipsum dolor " * 20 + "\x1b\\1111",
        "4111" + "\x1f" * 300 + "1111",
        "4111" + "\u200b \u200b".replace(" ", "\x1c") * 100 + "1111",
        "01100111 " * 39 + "01101000",
        "0x67, " * 79 + "0x68",
        "34 31 " + "00 " * 99 + "31 31",
        "67 | 68 / " * 40 + "69",
        "103  104\n" * 40 + "99",
        "6\u200b7 6\u200b8 " * 40 + "69",
        "g h p " * 40 + "x",
        "-.. ... / .- " * 20 + "-",
        "\n".join(["aB3" * 20] * 9),
        ",\n".join([",".join(["0x67", "0x68"] * 9)] * 9),
        ":\n    ".join([":".join(["67", "6b"] * 9)] * 9),
        "\n> ".join(["aB3" * 20] * 9),
        '"\n + "'.join(["aB3" * 20] * 9),
    ],
)
def test_no_segment_ends_inside_what_the_views_join(joined):
    text = BEFORE + joined + BEHIND
    assert [cut for cut in cuts(text) if len(BEFORE) < cut < len(BEFORE + joined)] == []
    assert cuts(text)


@pytest.mark.parametrize(
    "text",
    [
        "words with a number, 12 or 3 4 5, and a b c d " * 20,
        "\x1b]0;a title that never ends " * 20 + "\n" + "plain words " * 100,
        "| " * 200 + "x " * 200 + "* " * 200,
        "the classes StreamingConvCacheLayer and AbstractSingletonProxyFactoryBean with their names " * 20,
    ],
)
def test_all_else_ends_within_a_segment_and_a_word(text):
    assert all(after - before <= SEGMENT + 36 for before, after in pairwise([0, *cuts(text)]))


def test_what_cannot_be_seen_is_no_part_of_a_margin():
    ends = [end - cut for _, cut, end, _ in windows(["words only " * 10 + "word\u200b" * 90 + " and words" * 20])]
    assert max(ends) > MARGIN


def test_what_cannot_be_seen_is_no_part_of_a_context():
    text = "name" + "\u200b" * 600 + " value and words only" * 20
    assert all(seen.startswith("name") for done, _, _, seen in windows([text]) if done < CONTEXT + 600)
    assert all(len(seen) <= CONTEXT + SEGMENT + MARGIN + 30 for done, _, _, seen in windows([text]) if done > 900)


def test_what_never_ends_is_cut():
    for endless in ("x", "\x1f", "2d 2e ", "aB3" * 20 + "\n", "\x1b"):
        text = endless * (3 * MAX_HELD // len(endless))
        ends = [0, *cuts(text), len(text)]
        assert max(b - a for a, b in pairwise(ends)) <= MAX_HELD + MARGIN


@pytest.mark.parametrize(
    "unit", ["a ", "01100101 ", "\x1f", "\x1b]", "\x1b]0;" + "lorem " * 150, "a\u200b b ", "\x1b[1;"]
)
@pytest.mark.parametrize("length", [1, 1_000_000])
def test_the_time_grows_linearly(unit, length):
    def seconds(characters):
        text = unit * (characters // len(unit))
        pieces = [text[at : at + length] for at in range(0, len(text), length)]
        return least_seconds(lambda: windows(pieces), runs=2, clock=time.process_time)

    assert seconds(60_000) < 8 * max(seconds(15_000), 0.02)
