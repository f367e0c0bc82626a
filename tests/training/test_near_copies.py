from training import near_copies
from training.rows import Attack, Toxic


def test_near_copies_of_an_attack_are_left_out_and_different_texts_stay():
    words = ["w" + chr(97 + i // 26) + chr(97 + i % 26) for i in range(60)]
    first, copy, other = (
        Attack(" ".join(said), "s", 1, "direct") for said in (words, [*words[:59], "end"], words[::-1])
    )
    toxic = Toxic(first.text, "t", (0.0,) * 9)
    assert list(near_copies.without([first, copy, other, toxic])) == [first, other, toxic]


def test_a_text_is_known_if_over_half_of_its_wording_stands_in_another():
    trained = "one two three four five six seven eight nine ten"
    most, half = "zero one two three four five six seven eight", "one two three four five six a b c d e f"
    assert near_copies.known([most, half, "Ten!", "ten"], [trained, "ten"]) == {most, "Ten!", "ten"}
