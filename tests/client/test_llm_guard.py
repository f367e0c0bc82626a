"""Code that follows the client of LLM Guard's documentation works: with one import changed, and with none."""

from __future__ import annotations

import asyncio
import inspect

import aiohttp
import pytest
import requests

from scanner_client import Client
from scanner_client.compat import llm_guard, llm_guard_async
from tests.client.conftest import ATTACK, HARMLESS
from tests.client.servers import error, response, scripted


@pytest.fixture(autouse=True)
def _closed(monkeypatch):
    """The module keeps its clients; the server waits for their idle connections when it stops."""
    clients = []

    def make(*arguments):
        clients.append(Client(*arguments))
        return clients[-1]

    monkeypatch.setattr(llm_guard, "Client", make)
    yield
    llm_guard._client.cache_clear()
    for client in clients:
        client.close()


@pytest.fixture
def _environment(server, server_key, monkeypatch):
    monkeypatch.setenv("LLM_GUARD_URL", server.url)
    monkeypatch.setenv("LLM_GUARD_API_KEY", server_key)


@pytest.fixture(params=[llm_guard, llm_guard_async], ids=["sync", "async"])
def compat(request):
    """The module, and its function called to the end."""

    def call(prompt):
        result = request.param.request_llm_guard_prompt(prompt)
        return asyncio.run(result) if inspect.iscoroutine(result) else result

    return request.param, call


@pytest.mark.usefixtures("_environment")
def test_a_harmless_prompt_comes_back_sanitized(compat):
    _, request_llm_guard_prompt = compat
    assert request_llm_guard_prompt(HARMLESS) == HARMLESS
    assert "Ada" not in request_llm_guard_prompt("Write to Ada")


@pytest.mark.usefixtures("_environment")
def test_a_malicious_prompt_raises_with_the_documented_message(compat):
    module, request_llm_guard_prompt = compat
    with pytest.raises(module.LLMGuardMaliciousPromptException) as caught:
        request_llm_guard_prompt(ATTACK)
    scores = caught.value.scores
    assert scores["prompt_injection"] == 1.0
    assert str(caught.value) == (
        f"LLM Guard detected a malicious prompt. Scanners triggered: prompt_injection; scores: {scores}"
    )


def test_the_exception_is_made_as_the_documented_one():
    made = llm_guard.LLMGuardMaliciousPromptException("why", scores={"a": 0.5, "b": -1.0, "c": 0.0, "d": 1})
    assert made.args == ("why",)
    assert str(made).endswith("Scanners triggered: a, d; scores: {'a': 0.5, 'b': -1.0, 'c': 0.0, 'd': 1}")
    assert llm_guard.LLMGuardMaliciousPromptException().scores == {}
    assert llm_guard_async.LLMGuardMaliciousPromptException is llm_guard.LLMGuardMaliciousPromptException


@pytest.mark.parametrize("answer", [error(401, "unauthorized"), response("<html>"), response("{}"), error(422, "x")])
def test_every_failure_is_a_request_exception(compat, monkeypatch, answer):
    module, request_llm_guard_prompt = compat
    with scripted(answer) as server:
        monkeypatch.setenv("LLM_GUARD_URL", server.url)
        with pytest.raises(module.LLMGuardRequestException):
            request_llm_guard_prompt("text")


def test_a_missing_url_is_a_request_exception(compat):
    module, request_llm_guard_prompt = compat
    with pytest.raises(module.LLMGuardRequestException, match="SCANNER_URL"):
        request_llm_guard_prompt("text")


class Refused(Exception):
    """What the callers below raise for a malicious prompt."""


def ask_with_requests(url, key, prompt):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    answer = requests.post(url=f"{url}/analyze/prompt", json={"prompt": prompt}, headers=headers).json()
    if not answer["is_valid"]:
        raise Refused([name for name, score in answer["scanners"].items() if score > 0])
    return answer["sanitized_prompt"]


async def ask_with_aiohttp(url, key, prompt, *, raise_for_status=True):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession() as session:
        response = await session.post(
            url=f"{url}/analyze/prompt",
            json={"prompt": prompt},
            headers=headers,
            ssl=False,
            raise_for_status=raise_for_status,
        )
        answer = await response.json()
    if not answer["is_valid"]:
        raise Refused([name for name, score in answer["scanners"].items() if score > 0])


def test_plain_requests_code_works_unchanged(server, server_key):
    assert ask_with_requests(server.url, server_key, HARMLESS) == HARMLESS
    with pytest.raises(Refused, match="prompt_injection"):
        ask_with_requests(server.url, server_key, ATTACK)
    with pytest.raises(Refused, match=r"\[\]"):  # the wrong key: it reads is_valid alone, and that is false
        ask_with_requests(server.url, "wrong", HARMLESS)
