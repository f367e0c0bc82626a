import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from scanner_service import server
from scanner_service.errors import ConfigError

ROOT = Path(__file__).parent.parent

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


def test_what_the_configuration_says_to_no_effect_is_named_at_start(monkeypatch):
    rule = "{name: a, kind: secrets, action: monitor, stops: true}"
    monkeypatch.setattr(server, "_content", f"policies: {{p: {{prompt: [{rule}], output: []}}}}".encode())
    monkeypatch.setenv("SCANNER_VAULT_KEYS", "0123456789abcdef")
    warnings = []
    arbiter = SimpleNamespace(log=SimpleNamespace(warning=lambda message, *values: warnings.append(message % values)))
    server.on_starting(arbiter)
    server.on_exit(arbiter)
    (said,) = warnings
    assert "to no effect: `$.policies.p.prompt[0].stops`" in said


def test_a_misspelt_variable_is_named_at_start_and_those_of_kubernetes_are_not(monkeypatch):
    kubernetes = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8000_TCP", "PORT_8000_TCP_ADDR"]
    for name in ["SCANNER_CONFG", *(f"SCANNER_{name}" for name in kubernetes), "SCANNER_A_SERVICE_HOST"]:
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("SCANNER_VAULT_KEYS", "0123456789abcdef")
    warnings = []
    log = SimpleNamespace(warning=lambda message, *values: warnings.append(message % values))
    arbiter = SimpleNamespace(log=log)
    server.on_starting(arbiter)
    server.on_exit(arbiter)
    assert warnings == ["SCANNER_CONFG is no variable of this service, and is ignored"]


def test_every_variable_that_the_code_reads_is_known():
    code = [path.read_text("utf-8") for path in Path(server.__file__).parent.rglob("*.py")]
    assert {name for text in code for name in re.findall(r"\bSCANNER_[A-Z_]+\b", text)} == server.VARIABLES


@pytest.mark.parametrize(("value", "workers"), [(None, 1), ("", 1), ("3", 3)])
def test_there_is_one_worker_unless_the_environment_says_more(value, workers):
    assert server.read_workers(value) == workers


@pytest.mark.parametrize("value", ["0", "-1", "two", "²", "1.5", "12345"])
def test_a_number_of_workers_that_is_none_is_refused(value):
    with pytest.raises(ConfigError, match="SCANNER_WORKERS: not a number from 1 to 9999"):
        server.read_workers(value)


@pytest.mark.parametrize(("handles", "connections"), [(1024, 768), (900, 644), (512, 256), (64, 32)])
def test_a_worker_keeps_no_more_connections_than_it_has_handles_for(handles, connections):
    assert server.count_connections(handles) == connections


def where_scratch_lies(tmp_path, *unwritable):
    """What a server says whose folders *unwritable* are read-only; in a view of the file systems of its own."""
    mounts = "".join(f"mount -t tmpfs -o ro none {folder} && " for folder in unwritable)
    program = "from scanner_service import server; print(server.worker_tmp_dir)"
    command = ["unshare", "--mount", "sh", "-c", f'{mounts} cd {unwritable[-1]} && exec "$@"', "sh"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*command, sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    if "unshare" in done.stderr:
        pytest.skip("a view of one's own needs root")
    return done.stdout.strip() or done.stderr.strip()


@pytest.mark.skipif(shutil.which("unshare") is None, reason="only Linux has it")
def test_shared_memory_that_cannot_be_written_is_left_alone(tmp_path):
    assert where_scratch_lies(tmp_path, "/mnt") == "/dev/shm"
    assert where_scratch_lies(tmp_path, "/dev/shm") == str(tmp_path)
    said = where_scratch_lies("/dev/shm", "/tmp", "/var/tmp", "/dev/shm")
    assert said == "scanner-service: TMPDIR: names no folder that can be written, and /dev/shm is none either"
