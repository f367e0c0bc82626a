import gzip
import json

from training import data
from training.rows import Attack, Toxic, read_rows
from training.sources import Source, Table, split


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
