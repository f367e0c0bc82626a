"""The command line, against the real server."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from scanner_client import Client
from scanner_client.cli import main
from tests.client.conftest import ATTACK, HARMLESS
from tests.client.servers import VALID, response, scripted


@pytest.fixture(autouse=True)
def _environment(server, server_key, monkeypatch, _no_environment):
    monkeypatch.setenv("SCANNER_URL", server.url)
    monkeypatch.setenv("SCANNER_API_KEY", server_key)


def test_a_text_is_judged_in_words_and_by_the_exit_code(capsys):
    assert main(["analyze", HARMLESS]) == 0
    assert capsys.readouterr().out.startswith("valid (prompt_injection -1.00")
    assert main(["analyze", ATTACK]) == 1
    assert capsys.readouterr().out.startswith("blocked by prompt_injection (prompt_injection 1.00")


def test_json_is_the_whole_answer(capsys):
    assert main(["analyze", "--json", "Write to Ada"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["is_valid"] is True
    assert told["triggered"] == ["pii"]
    assert told["sanitized_prompt"] == "Write to [PERSON_1]"
    assert told["scores"]["pii"] == 1.0
    assert {result["scanner"] for result in told["results"]} == {"prompt_injection", "toxicity", "pii"}


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(ATTACK))
    assert main(["analyze", "-"]) == 1


def test_a_file_becomes_a_file_of_verdicts(tmp_path, capsys):
    prompts, verdicts = tmp_path / "prompts.jsonl", tmp_path / "verdicts.jsonl"
    lines = [json.dumps({"prompt": HARMLESS, "id": 1}), json.dumps({"text": ATTACK, "label": 1}), "", json.dumps(" ")]
    prompts.write_text("\n".join(lines))
    assert main(["analyze", "--file", str(prompts), "--out", str(verdicts)]) == 1
    harmless, attack, empty = map(json.loads, verdicts.read_text().splitlines())
    assert (harmless["is_valid"], attack["is_valid"], empty["is_valid"]) == (True, False, False)
    assert attack["triggered"] == ["prompt_injection"]
    assert (empty["error"]["type"], empty["error"]["code"]) == ("InvalidRequest", "invalid_request")
    assert "3 calls" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told_before_anything_is_scanned(tmp_path, monkeypatch, capsys):
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text(json.dumps(HARMLESS))
    with scripted(response(VALID)) as told:
        monkeypatch.setenv("SCANNER_URL", told.url)
        assert main(["analyze", "--file", str(prompts), "--out", str(tmp_path / "none" / "verdicts.jsonl")]) == 2
        assert told.bodies == []
    assert "No such file" in capsys.readouterr().err


def test_the_exit_code_of_a_failure_is_2(tmp_path, monkeypatch, capsys):
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text(json.dumps(" "))
    assert main(["analyze", "--file", str(prompts)]) == 2
    for line in ("no json", '{"text": 5}', "[]"):
        prompts.write_text(f'"fine"\n{line}')
        assert main(["analyze", "--file", str(prompts)]) == 2
        assert "prompts.jsonl:2: is " in capsys.readouterr().err
    assert main(["analyze", "--file", str(tmp_path / "none")]) == 2
    assert main(["analyze", "--url", "http://127.0.0.1:9", "--timeout", "1", "text"]) == 2
    monkeypatch.delenv("SCANNER_URL")
    assert main(["analyze", "text"]) == 2
    assert "pass --url or set SCANNER_URL" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--max-workers", "--max-requests-per-minute"])
@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_number_that_is_none_is_refused_for_one_text_too(option, value, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["analyze", f"{option}={value}", HARMLESS])
    assert caught.value.code == 2
    assert "must be a whole number, 1 or more" in capsys.readouterr().err


def test_whatever_else_goes_wrong_is_a_failure_in_one_line(monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError(HARMLESS)

    assert main(["analyze", "--url", "http://localhost:abc", HARMLESS]) == 2
    assert "the URL of the scanner service" in capsys.readouterr().err
    monkeypatch.setattr(Client, "analyze_prompt", fail)
    assert main(["analyze", HARMLESS]) == 2
    assert capsys.readouterr().err == "scanner: something went wrong: RuntimeError\n"


def test_the_installed_command_is_this_one():
    command = [sys.executable, "-m", "scanner_client", "analyze", ATTACK]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "prompt_injection" in done.stdout
