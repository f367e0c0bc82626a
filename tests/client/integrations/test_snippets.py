"""The snippets of the README about other packages run with these packages."""

from __future__ import annotations

import importlib.util
import re

import pytest

from scanner_client import Client
from tests.client.conftest import HARMLESS
from tests.client.test_readme import ALL_SNIPPETS, SNIPPETS

ABOUT_PACKAGES = [snippet for snippet in ALL_SNIPPETS if snippet not in SNIPPETS]
pytestmark = pytest.mark.filterwarnings("default")


def package(snippet):
    """The package that *snippet* is about."""
    return re.search(r"scanner_client\.integrations\.(\w+)", snippet)[1]


def test_each_package_that_is_called_from_python_has_a_snippet():
    assert [package(snippet) for snippet in ABOUT_PACKAGES] == [
        "openai",
        "langchain",
        "litellm",
        "llm_api_client",
        "llama_index",
    ]


@pytest.mark.parametrize("snippet", ABOUT_PACKAGES, ids=package)
def test_the_snippet_runs(snippet, server, server_key, fake_llm, monkeypatch):
    if importlib.util.find_spec(package(snippet)) is None:
        pytest.skip(f"{package(snippet)} is not installed")
    monkeypatch.setenv("SCANNER_URL", server.url)
    monkeypatch.setenv("SCANNER_API_KEY", server_key)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", fake_llm.url)
    clients, made = [], Client.__init__
    monkeypatch.setattr(Client, "__init__", lambda self, *a, **k: clients.append(self) or made(self, *a, **k))
    request = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": HARMLESS}]}
    names = {"user_text": HARMLESS, "tools": [], "requests": [request], "retrieved": [], "model": _model(snippet)}
    exec(compile(snippet, "README", "exec"), names)
    for client in clients:
        client.close()
    if package(snippet) in ("openai", "llm_api_client"):
        assert HARMLESS in fake_llm.seen
        assert clients[0].usage.as_dict()["scanned"] == 2


def _model(snippet):
    if package(snippet) != "langchain":
        return None
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel

    return GenericFakeChatModel(messages=iter(["Hello"]))
