"""Every snippet of the client's README runs, and prints what it says, against the policy and the model that ship."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import scanner_client
from scanner_client import AsyncClient, Client, cli, errors
from scanner_client.compat import llm_guard
from tests.client.conftest import ATTACK, HARMLESS
from tests.e2e.conftest import KEY, running

README = (Path(__file__).parents[2] / "scanner_client" / "README.md").read_text("utf-8")
ALL_SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SNIPPETS = [snippet for snippet in ALL_SNIPPETS if "scanner_client.integrations" not in snippet]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The real server with the policy and the model that ship, on a port and on a Unix socket."""
    folder = tmp_path_factory.mktemp("readme")
    with running(folder, {"SCANNER_BIND": f"127.0.0.1:0,unix:{folder}/scanner.sock"}) as started:
        yield started


@pytest.fixture(params=["tcp", "unix"])
def _service(request, monkeypatch, shipped):
    """What SCANNER_URL and SCANNER_API_KEY lead to."""
    socket = f"unix://{shipped.log.parent}/scanner.sock"
    monkeypatch.setenv("SCANNER_URL", shipped.url if request.param == "tcp" else socket)
    monkeypatch.setenv("SCANNER_API_KEY", KEY)


def _names(first):
    """What the snippets take for given."""

    def ask_llm(prompt):
        return f"You said: {prompt}"

    async def ask_llm_later(prompt):
        return ask_llm(prompt)

    def llm_stream():
        yield from ["Hello ", "[PERS", "ON_1], ", "how are you?"]

    prompts = [HARMLESS, ATTACK]
    return {**locals(), "user_text": ATTACK if first else HARMLESS, "Client": Client, "client": Client()}


@pytest.fixture(autouse=True)
def _closed(monkeypatch):
    """Whatever clients a snippet makes are closed after it."""
    clients, made = [], Client.__init__

    def init(self, *arguments, **options):
        made(self, *arguments, **options)
        clients.append(self)

    monkeypatch.setattr(Client, "__init__", init)
    yield
    llm_guard._client.cache_clear()
    for client in clients:
        client.close()


@pytest.mark.usefixtures("_closed", "_service")
@pytest.mark.parametrize("number", range(len(SNIPPETS)), ids=[s.strip().splitlines()[0][:50] for s in SNIPPETS])
def test_the_snippet_does_what_it_says(number, capsys):
    snippet = SNIPPETS[number]
    names = _names(number == 0)
    result = eval(compile(snippet, f"README snippet {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.iscoroutine(result):
        asyncio.run(result)
    printed = capsys.readouterr().out.splitlines()
    if "stream_output" in snippet:
        assert printed == ["Hello Ada Lovelace, how are you?"]
        return
    promised = re.findall(r"^\s*print\(.*\)  # (.+)$", snippet, re.MULTILINE)
    assert len(printed) == len(promised)
    for line, promise in zip(printed, promised, strict=True):
        start, cut, _ = promise.partition("…")
        assert line.startswith(start) if cut else line == start


def test_the_table_of_errors_is_complete():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    for kind in kinds:
        if kind is not errors.ScannerClientError:
            assert f"`{kind.__name__}`" in README


def test_everything_public_has_a_docstring_and_a_sorted_place():
    names = [name for name in scanner_client.__all__ if name != "__version__"]
    assert names == sorted(names)
    for name in names:
        assert getattr(scanner_client, name).__doc__
    for cls in (Client, AsyncClient):
        for name, member in vars(cls).items():
            assert name.startswith("_") or member.__doc__, name


def test_arguments_fields_and_options_of_the_command_are_all_named():
    analyses = (scanner_client.PromptAnalysis, scanner_client.OutputAnalysis)
    fields = {field.name for analysis in analyses for field in dataclasses.fields(analysis)}
    arguments = {*inspect.signature(AsyncClient).parameters}
    for name in fields | {"triggered"}:
        assert f"`{name}`" in README, name
    for name in arguments:
        assert re.search(rf"\b{name}\b", README), name
    for option in set(re.findall(r'"(--[a-z-]+)"', inspect.getsource(cli._parser))) - {"--version"}:
        assert option in README, option
