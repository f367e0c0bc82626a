import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from scanner_service import server

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
