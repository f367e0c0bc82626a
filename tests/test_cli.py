import io
import json
import os
import subprocess
import sys
from importlib.metadata import version
from types import SimpleNamespace

import pytest

from scanner_service import cli
from tests.e2e.conftest import PLUGINS, POLICIES, configured


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs the command with a configuration of test kinds; exit code, output, errors."""
    monkeypatch.syspath_prepend(str(PLUGINS))
    for name, value in configured(tmp_path, POLICIES).items():
        monkeypatch.setenv(name, value)

    def run(*arguments, stdin=b""):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        code = cli.main(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_valid_text_is_exit_code_0_and_is_shown_sanitized(run):
    code, out, _ = run("scan", "I am Ada.")
    assert code == 0
    assert out.startswith("valid\n")
    assert "PERSON at 5–8" in out
    assert out.endswith("\nI am [PERSON_1].\n")


def test_a_blocked_text_is_exit_code_1(run):
    code, out, _ = run("scan", "an ATTACK")
    assert (code, out.split("\n", 1)[0]) == (1, "blocked")


def test_a_rule_that_could_not_run_is_named_with_its_code(run):
    code, out, _ = run("scan", "--policy", "failing", "a")
    assert code == 1
    assert "scanner_failed" in out


def test_the_answer_of_the_service_can_be_had(run):
    code, out, _ = run("scan", "--json", "--output", "Ada")
    assert code == 0
    assert json.loads(out)["sanitized_output"] == "[PERSON_1]"


def test_a_text_comes_from_a_file_or_standard_input(run, tmp_path):
    (tmp_path / "prompt.txt").write_text("an ATTACK é", "utf-8")
    assert run("scan", "--file", str(tmp_path / "prompt.txt"))[0] == 1
    assert run("scan", "--file", "-", stdin="an ATTACK é".encode())[0] == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["scan", ""], "`the text`: is empty"),
        (["scan", "a\udcff"], "`the text`: holds half of a surrogate pair"),
        (["scan", "--file", "/nowhere"], "/nowhere: cannot be read"),
        (["scan", "--file", "-"], "-: not UTF-8"),
        (["scan", "--policy", "unheard", "a"], "there is no policy `unheard`; there are: brief, default"),
        (["check", "/nowhere.yaml"], "/nowhere.yaml: cannot be read"),
    ],
)
def test_a_mistake_is_exit_code_2_and_one_line(run, arguments, reason):
    code, out, err = run(*arguments, stdin=b"\xff")
    assert (code, out) == (2, "")
    assert err.startswith(f"scanner-service: {reason}")
    assert err.count("\n") == 1


def test_check_shows_the_chains(run):
    code, out, _ = run("check")
    assert code == 0
    assert "policy default" in out
    assert "whisper" in out
    assert "optional" in out


def test_check_lists_what_is_said_to_no_effect(run, tmp_path):
    rule = "{name: a, kind: secrets, action: redact, stops: true}"
    (tmp_path / "odd.yaml").write_text(f"policies: {{default: {{prompt: [{rule}], output: [{rule}]}}}}")
    code, out, _ = run("check", str(tmp_path / "odd.yaml"))
    assert code == 0
    assert [f"to no effect: `$.policies.default.{way}[0].stops`" in out for way in ("prompt", "output")] == [True] * 2


def test_check_names_what_is_wrong(run, tmp_path):
    (tmp_path / "wrong.yaml").write_text("policies: {default: {prompt: [{name: a, kind: wrod}], output: []}}")
    code, _, err = run("check", str(tmp_path / "wrong.yaml"))
    assert code == 2
    assert "wrong.yaml" in err


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("SCANNER_VAULT_KEYS", "short", "a secret in SCANNER_VAULT_KEYS is shorter than 16 characters"),
        ("SCANNER_VAULT_KEYS", ",", "the vault needs at least one secret"),
        ("SCANNER_REDIS_URL", "foo", "SCANNER_REDIS_URL: not a `redis://`"),
    ],
)
def test_what_workers_could_not_use_is_said_before_there_are_any(run, monkeypatch, variable, value, reason):
    monkeypatch.setattr("os.execv", lambda *_: pytest.fail("the server was started"))
    monkeypatch.setenv("SCANNER_API_KEYS", "local=0123456789abcdef")
    monkeypatch.setenv("SCANNER_BIND", "127.0.0.1:0")
    monkeypatch.setenv(variable, value)
    code, _, err = run("serve")
    assert (code, reason in err) == (2, True)


def test_the_version_can_be_had(run, capsys):
    with pytest.raises(SystemExit) as done:
        run("--version")
    assert done.value.code == 0
    assert capsys.readouterr().out == f"scanner-service {version('scanner-service')}\n"


def test_a_reader_who_has_had_enough_is_no_traceback(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "scanner_service", "check"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, cwd=tmp_path, check=False, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (2, b"")


def test_a_command_is_needed(run):
    with pytest.raises(SystemExit) as error:
        run()
    assert error.value.code == 2
