"""Whether the bench of the model runs with the model that ships."""

from __future__ import annotations

import pytest

from bench import model


def test_it_times_every_length(capsys: pytest.CaptureFixture[str]) -> None:
    model.main(["--rounds", "1"])
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[1 : 1 + len(model.LENGTHS)]] == [str(n) for n in model.LENGTHS]
    assert "tokens: predict" in printed[-1]
