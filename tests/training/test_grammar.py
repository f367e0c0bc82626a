import random

import pytest

from training.grammar import Grammar, read_grammar


@pytest.mark.parametrize("name", ["attacks", "benign", "carriers", "toxic"])
def test_every_rule_of_the_shipped_grammars_can_be_written_out(name):
    grammar, more = read_grammar(name)
    assert all(root in grammar.rules for roots in more.values() for root in roots)
    rng = random.Random(1)
    for lines in grammar.rules.values():
        for line in lines:
            assert "{}" not in grammar.expand(line, rng)


def test_the_same_seed_writes_the_same_sentences_and_another_seed_others():
    grammar, _ = read_grammar("attacks")

    def sentences(seed: int) -> list[str]:
        rng = random.Random(seed)
        return [grammar.sentence(rng) for _ in range(50)]

    assert sentences(3) == sentences(3)
    assert sentences(3) != sentences(4)


def test_the_attack_grammar_does_not_repeat_itself():
    grammar, _ = read_grammar("attacks")
    rng = random.Random(0)
    assert len({grammar.sentence(rng) for _ in range(2_000)}) > 1_700


def test_a_line_that_names_an_unknown_rule_is_refused(tmp_path, monkeypatch):
    (tmp_path / "bad.toml").write_text('[roots]\na = 1\n[rules]\na = ["{nothing}"]\n')
    monkeypatch.setattr("training.grammar.__file__", str(tmp_path / "grammar.py"))
    with pytest.raises(ValueError, match="nothing"):
        read_grammar("bad")


def test_weights_decide_which_root_is_written():
    grammar = Grammar({"a": ["yes"], "b": ["no"]}, {"a": 1.0, "b": 0.0})
    assert {grammar.sentence(random.Random(i)).lower() for i in range(20)} == {"yes"}
