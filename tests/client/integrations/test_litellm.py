"""LiteLLM: the SDK's functions and the proxy's guardrail."""

from __future__ import annotations

import gc
import json
import re

import pytest

pytestmark = pytest.mark.filterwarnings("default")

litellm = pytest.importorskip("litellm")

from scanner_client import MaliciousOutput, MaliciousPrompt  # noqa: E402
from scanner_client.integrations import litellm as integration  # noqa: E402
from scanner_client.integrations.litellm import ScannerGuardrail, guard  # noqa: E402
from tests.client.conftest import ATTACK  # noqa: E402

TOOLS = [{"type": "function", "function": {"name": "mail", "parameters": {"type": "object", "properties": {}}}}]


def user(text):
    return [{"role": "user", "content": text}]


@pytest.fixture(autouse=True)
def _left_by_litellm():
    """An event loop that it never closes: better found here, where it is a warning, than at the end."""
    yield
    gc.collect()


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


BOTH = ["pre_call", "post_call"]


@pytest.mark.parametrize(
    ("call_type", "field", "request_of"),
    [
        ("acompletion", "messages", user),
        ("anthropic_messages", "messages", lambda text: [{"role": "user", "content": [{"type": "x", "y": text}]}]),
        ("aresponses", "input", str),
        ("aresponses", "prompt", lambda text: {"id": "p", "variables": {"q": text}}),
        ("atext_completion", "prompt", str),
    ],
)
def test_the_guardrail_scans_calls_of_every_type(run_async, call_type, field, request_of):
    fastapi = pytest.importorskip("fastapi")

    async def use(scanner):
        guardrail = ScannerGuardrail(scanner, guardrail_name="scanner", event_hook=BOTH)
        data = {"model": "m", field: request_of("I am Ada"), "litellm_metadata": {}}
        data = await guardrail.async_pre_call_hook(None, None, data, call_type)
        assert data[field] == request_of("I am [PERSON_1]")
        assert "metadata" not in data  # it would be sent to the provider
        message = {"type": "message", "content": [{"type": "text", "text": "Hello [PERSON_1]"}]}
        safe = await guardrail.async_post_call_success_hook(data, None, message)
        assert safe["content"] == [{"type": "text", "text": "Hello Ada"}]
        with pytest.raises(fastapi.HTTPException) as caught:
            await guardrail.async_pre_call_hook(None, None, {field: request_of(ATTACK)}, call_type)
        assert caught.value.status_code == 400

    run_async(use)


def test_the_guardrail_scans_responses(run_async):
    fastapi = pytest.importorskip("fastapi")
    from litellm.types.llms.openai import ResponsesAPIResponse

    def response(text):
        content = [{"type": "output_text", "text": text, "annotations": []}]
        output = [{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}]
        return ResponsesAPIResponse(id="r", created_at=1, output=output, parallel_tool_calls=True, tools=[], model="m")

    async def use(scanner):
        guardrail = ScannerGuardrail(scanner, guardrail_name="scanner", event_hook=BOTH)
        data = await guardrail.async_pre_call_hook(None, None, {"input": "I am Ada"}, "aresponses")
        safe = await guardrail.async_post_call_success_hook(data, None, response("Hello [PERSON_1]"))
        assert safe.output_text == "Hello Ada"
        with pytest.raises(fastapi.HTTPException):
            await guardrail.async_post_call_success_hook(data, None, response("You idiot"))

    run_async(use)


def test_the_guardrail_refuses_what_it_cannot_read(run_async):
    fastapi = pytest.importorskip("fastapi")

    async def events():
        yield b"event: message_start"

    async def use(scanner):
        guardrail = ScannerGuardrail(scanner, guardrail_name="scanner", event_hook=BOTH)
        for call_type in ("agenerate_content", "pass_through_endpoint", "_arealtime", "unheard_of"):
            with pytest.raises(fastapi.HTTPException, match="can't read calls"):
                await guardrail.async_pre_call_hook(None, None, {"contents": []}, call_type)
        with pytest.raises(fastapi.HTTPException, match="can't be scanned"):
            [chunk async for chunk in guardrail.async_post_call_streaming_iterator_hook(None, events(), {})]
        for mode in ("during_call", [*BOTH, "during_call"]):
            with pytest.raises(ValueError, match="during_call"):
                ScannerGuardrail(scanner, guardrail_name="scanner", event_hook=mode)

    run_async(use)


def test_the_example_of_a_configuration_guards_everybody(monkeypatch):
    yaml = pytest.importorskip("yaml")
    example = re.search(r"^    guardrails:\n(?:     .*\n)+", integration.__doc__, re.MULTILINE)[0]
    (guardrail,) = yaml.safe_load(example)["guardrails"]
    settings = guardrail["litellm_params"]
    assert settings["guardrail"] == f"{ScannerGuardrail.__module__}.{ScannerGuardrail.__name__}"
    monkeypatch.setenv("SCANNER_URL", "http://localhost")
    made = ScannerGuardrail(event_hook=settings["mode"], default_on=settings["default_on"])
    for hook in made.get_supported_event_hooks():
        assert made.should_run_guardrail(data={"messages": []}, event_type=hook)
