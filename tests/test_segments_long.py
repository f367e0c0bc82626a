"""Control sequences far behind the beginning of a text, in pieces that cut them."""

import pytest

from tests.test_segments import windows


@pytest.mark.parametrize(
    "hidden", ["\x1b]0;a title of some words\x07", "\x1b]0;a title\x1b\\", "\x1b[1;31m", "\x9b0m", "\x9d0;a b\x9c"]
)
@pytest.mark.parametrize("length", [1, 7, 40])
def test_a_control_sequence_is_none_of_the_text_wherever_it_is_cut(hidden, length):
    text = "plain words only " * 60 + f"4111 {hidden} 1111 and {hidden}" + " more words " * 40
    assert windows([text[at : at + length] for at in range(0, len(text), length)]) == windows([text])
