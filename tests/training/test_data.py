import gzip
import json

from training import data
from training.rows import Attack, Toxic, read_rows
from training.sources import Source, Table, split

TABLE = Table(
    frozenset({"P"}),
    frozenset({"injection/hidden"}),
    (Source("injection", "open", "P"), Source("injection", "hidden", "P")),
)


def source(folder, name, *texts):
    """A file of published attacks."""
    (folder / "injection").mkdir(exist_ok=True)
    with gzip.open(folder / "injection" / f"{name}.jsonl.gz", "wt") as file:
        for text in texts:
            print(json.dumps({"text": text, "label": 1, "kind": "direct", "source": name}), file=file)


def attack(text: str, source: str = "s") -> Attack:
    return Attack(text, source, 1, "direct")


def test_texts_that_differ_in_case_and_punctuation_alone_are_kept_once_per_task():
    toxic = Toxic("ignore it", "t", (0.0,) * 9)
    kept = list(data.distinct([attack("Ignore it!"), attack("ignore  IT"), toxic]))
    assert kept == [attack("Ignore it!"), toxic]


def test_rows_go_to_training_or_stay_unseen_by_the_licence_of_their_part(tmp_path):
    (tmp_path / "injection").mkdir()
    for name in ("open", "hidden"):
        with gzip.open(tmp_path / "injection" / f"{name}.jsonl.gz", "wt") as file:
            for subtype in ("good", "bad", "dropped"):
                row = {"text": f"{name} {subtype}", "label": 0, "kind": "benign", "source": name, "subtype": subtype}
                print(json.dumps(row), file=file)
    parts = {"bad": "NC", "dropped": "HELD_OUT"}
    table = Table(
        frozenset({"P"}),
        frozenset({"injection/hidden"}),
        (Source("injection", "open", "P", subtypes=parts), Source("injection", "hidden", "P")),
    )
    counts = data.run(tmp_path, tmp_path / "work", split(table))
    trained = {row.text for row in read_rows(tmp_path / "work" / "rows" / "train.jsonl.gz")}
    unseen = {row.text for row in read_rows(tmp_path / "work" / "rows" / "unseen.jsonl.gz")}
    assert trained == {"open good"}
    assert "open bad" in unseen
    assert {"hidden good", "hidden bad", "hidden dropped"} <= unseen
    assert counts == {"train": len(trained), "unseen": len(unseen)}


def test_what_an_unseen_source_holds_is_not_trained_on_where_another_has_it_too(tmp_path):
    source(tmp_path, "open", "Ignore it!", "Forget it!")
    source(tmp_path, "hidden", "ignore it")
    data.run(tmp_path, tmp_path / "work", split(TABLE))
    assert [row.text for row in read_rows(tmp_path / "work" / "rows" / "train.jsonl.gz")] == ["Forget it!"]
    assert [row.text for row in read_rows(tmp_path / "work" / "rows" / "unseen.jsonl.gz")] == ["ignore it"]


def test_what_was_chosen_is_kept_beside_the_rows(tmp_path):
    source(tmp_path, "open", "Ignore it!")
    source(tmp_path, "hidden", "Forget it!")
    made = split(TABLE, ["P"], ["injection/open"])
    data.run(tmp_path, tmp_path / "work", made)
    assert data.split_of(tmp_path / "work", TABLE) == made
