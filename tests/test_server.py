import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from scanner_service import server
from scanner_service.errors import ConfigError

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_for_metrics_that_the_environment_names_is_neither_used_nor_removed(tmp_path, monkeypatch, workers):
    (tmp_path / "theirs.db").write_text("kept")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setenv("SCANNER_VAULT_KEYS", "0123456789abcdef")
    monkeypatch.setattr(server, "workers", workers)
    arbiter = SimpleNamespace()
    server.on_starting(arbiter)
    ours = os.environ.get(VARIABLE)
    assert ours != str(tmp_path)
    assert (ours is not None and Path(ours).is_dir()) is (workers > 1)
    server.on_exit(arbiter)
    assert (tmp_path / "theirs.db").read_text() == "kept"
    assert ours is None or not Path(ours).exists()


@pytest.mark.parametrize(("value", "workers"), [(None, 1), ("", 1), ("3", 3)])
def test_there_is_one_worker_unless_the_environment_says_more(value, workers):
    assert server.read_workers(value) == workers


@pytest.mark.parametrize("value", ["0", "-1", "two", "²", "1.5", "12345"])
def test_a_number_of_workers_that_is_none_is_refused(value):
    with pytest.raises(ConfigError, match="SCANNER_WORKERS: not a number from 1 to 9999"):
        server.read_workers(value)
