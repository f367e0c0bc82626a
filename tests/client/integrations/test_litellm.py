"""LiteLLM: the SDK's functions and the proxy's guardrail."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.filterwarnings("default")

litellm = pytest.importorskip("litellm")

from scanner_client import MaliciousOutput, MaliciousPrompt  # noqa: E402
from scanner_client.integrations.litellm import ScannerGuardrail, guard  # noqa: E402
from tests.client.conftest import ATTACK  # noqa: E402

TOOLS = [{"type": "function", "function": {"name": "mail", "parameters": {"type": "object", "properties": {}}}}]


def user(text):
    return [{"role": "user", "content": text}]


@pytest.fixture
def options(fake_llm):
    return {"model": "openai/fake-1", "api_base": fake_llm.url, "api_key": "k", "num_retries": 0}


def test_completion_is_guarded(scanner, options, fake_llm):
    completion = guard(litellm.completion, scanner)
    answer = completion(messages=user("I am Ada"), **options)
    assert isinstance(answer, litellm.ModelResponse)
    assert answer.choices[0].message.content == "You said: I am Ada"
    with pytest.raises(MaliciousPrompt):
        completion(options["model"], user(ATTACK))
    with pytest.raises(MaliciousOutput):
        completion(messages=user("insult me"), **options)
    stream = completion(messages=user("I am Ada"), stream=True, **options)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "You said: I am Ada"
    answer = completion(messages=user("I am Ada"), tools=TOOLS, **options)
    arguments = answer.choices[0].message.tool_calls[0].function.arguments
    assert json.loads(arguments) == {"to": "You said: I am Ada"}
    assert "Ada" not in fake_llm.seen


def test_acompletion_is_guarded(run_async, options, fake_llm):
    async def use(scanner):
        acompletion = guard(litellm.acompletion, scanner)
        answer = await acompletion(messages=user("I am Ada"), **options)
        assert answer.choices[0].message.content == "You said: I am Ada"
        stream = await acompletion(messages=user("I am Ada"), stream=True, **options)
        shown = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(shown) == "You said: I am Ada"
        with pytest.raises(MaliciousPrompt):
            await acompletion(messages=user(ATTACK), **options)

    run_async(use)
    assert "Ada" not in fake_llm.seen


def test_kinds_that_do_not_go_together_are_refused(scanner):
    with pytest.raises(TypeError):
        guard(litellm.acompletion, scanner)


def test_the_guardrail_of_the_proxy_scans_both_ways(run_async, options):
    fastapi = pytest.importorskip("fastapi")

    async def use(scanner):
        guardrail = ScannerGuardrail(scanner, guardrail_name="scanner", event_hook=["pre_call", "post_call"])
        data = await guardrail.async_pre_call_hook(None, None, {"messages": user("I am Ada")}, "completion")
        assert data["messages"] == user("I am [PERSON_1]")
        answer = await litellm.acompletion(messages=data["messages"], **options)
        answer = await guardrail.async_post_call_success_hook(data, None, answer)
        assert answer.choices[0].message.content == "You said: I am Ada"
        stream = await litellm.acompletion(messages=data["messages"], stream=True, **options)
        chunks = guardrail.async_post_call_streaming_iterator_hook(None, stream, data)
        shown = [chunk.choices[0].delta.content or "" async for chunk in chunks]
        assert "".join(shown) == "You said: I am Ada"
        with pytest.raises(fastapi.HTTPException) as caught:
            await guardrail.async_pre_call_hook(None, None, {"messages": user(ATTACK)}, "completion")
        assert caught.value.status_code == 400
        assert caught.value.detail["scores"]["prompt_injection"] == 1.0
        answer = await litellm.acompletion(messages=user("insult me"), **options)
        with pytest.raises(fastapi.HTTPException):
            await guardrail.async_post_call_success_hook(data, None, answer)
        assert await guardrail.async_pre_call_hook(None, None, {"input": "x"}, "embeddings") == {"input": "x"}

    run_async(use)
