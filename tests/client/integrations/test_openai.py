"""The OpenAI SDK, guarded: its own types come back, without what must not leave or be shown."""

from __future__ import annotations

import json

import pytest

openai = pytest.importorskip("openai")

from scanner_client import MaliciousOutput, MaliciousPrompt, Unavailable  # noqa: E402
from scanner_client.integrations.openai import guard  # noqa: E402
from scanner_client.testing import FakeScanner, failing  # noqa: E402
from tests.client.conftest import ATTACK  # noqa: E402

TOOLS = [{"type": "function", "function": {"name": "mail", "parameters": {"type": "object", "properties": {}}}}]


def user(text):
    return [{"role": "system", "content": "Be kind."}, {"role": "user", "content": text}]


@pytest.fixture
def client(fake_llm, scanner):
    with openai.OpenAI(api_key="k", base_url=fake_llm.url, max_retries=0) as sdk:
        yield guard(sdk, scanner)


@pytest.fixture
def use_async(fake_llm, run_async):
    def run(use):
        async def main(scanner):
            async with openai.AsyncOpenAI(api_key="k", base_url=fake_llm.url, max_retries=0) as sdk:
                return await use(guard(sdk, scanner))

        return run_async(main)

    return run


def test_the_llm_sees_placeholders_and_the_caller_sees_values(client, fake_llm):
    answer = client.chat.completions.create(model="m", messages=user("I am Ada"))
    assert type(answer).__name__ == "ChatCompletion"
    assert answer.choices[0].message.content == "You said: I am Ada"
    assert "Ada" not in fake_llm.seen
    assert "[PERSON_1]" in fake_llm.seen


def test_what_is_malicious_is_neither_sent_nor_shown(client, fake_llm):
    with pytest.raises(MaliciousPrompt):
        client.chat.completions.create(model="m", messages=user(ATTACK))
    assert fake_llm.bodies == []
    with pytest.raises(MaliciousOutput):
        client.chat.completions.create(model="m", messages=user("insult me"))


def test_streams_are_restored_and_cut_off(client, fake_llm):
    stream = client.chat.completions.create(model="m", messages=user("I am Ada"), stream=True)
    assert isinstance(stream, openai.Stream)
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "You said: I am Ada"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 2
    assert "Ada" not in fake_llm.seen
    with pytest.raises(MaliciousOutput):
        list(client.chat.completions.create(model="m", messages=user("insult me"), stream=True))


@pytest.mark.parametrize("stream", [False, True])
def test_arguments_of_tool_calls_are_restored(client, fake_llm, stream):
    answer = client.chat.completions.create(model="m", messages=user("I am Ada"), tools=TOOLS, stream=stream)
    if stream:
        calls = [call for c in answer if c.choices for call in c.choices[0].delta.tool_calls or []]
        arguments = "".join(call.function.arguments for call in calls)
        assert calls[0].function.name == "mail"
    else:
        arguments = answer.choices[0].message.tool_calls[0].function.arguments
    assert json.loads(arguments) == {"to": "You said: I am Ada"}
    history = [*user("I am Ada"), {"role": "assistant", "content": arguments}, *user("And you?")]
    client.chat.completions.create(model="m", messages=history)
    assert "Ada" not in fake_llm.seen


def test_responses_are_guarded(client, fake_llm):
    answer = client.responses.create(model="m", input="I am Ada")
    assert answer.output_text == "You said: I am Ada"
    assert client.responses.create(model="m", input=user("I am Ada")).output_text == "You said: I am Ada"
    assert "Ada" not in fake_llm.seen
    with pytest.raises(MaliciousPrompt):
        client.responses.create(model="m", input=ATTACK)
    with pytest.raises(MaliciousOutput):
        client.responses.create(model="m", input="insult me")


def test_streamed_responses_tell_the_safe_text_every_time(client, fake_llm):
    events = list(client.responses.create(model="m", input="I am Ada", stream=True))
    told = "You said: I am Ada"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == told
    assert [event.text for event in events if event.type == "response.output_text.done"] == [told]
    assert [event.part.text for event in events if event.type == "response.content_part.done"] == [told]
    assert events[-1].response.output_text == told
    assert "PERSON_1" not in "".join(event.to_json() for event in events)
    with pytest.raises(MaliciousOutput):
        list(client.responses.create(model="m", input="insult me", stream=True))


def test_copies_and_helpers_of_the_sdk_are_guarded_too(client, fake_llm):
    with pytest.raises(MaliciousPrompt):
        client.with_options(timeout=3).chat.completions.create(model="m", messages=user(ATTACK))
    with pytest.raises(MaliciousPrompt):
        client.chat.completions.parse(model="m", messages=user(ATTACK))
    with client.chat.completions.stream(model="m", messages=user("I am Ada")) as stream:
        assert stream.get_final_completion().choices[0].message.content == "You said: I am Ada"
    for raw in (client.chat.completions.with_raw_response, client.chat.completions.with_streaming_response):
        with pytest.raises(TypeError, match="raw response"):
            raw.create(model="m", messages=user("hello")).__enter__()
    assert ATTACK not in fake_llm.seen


def test_the_client_that_was_given_stays_as_it_is_and_other_endpoints_pass(fake_llm, scanner):
    with openai.OpenAI(api_key="k", base_url=fake_llm.url) as sdk:
        _ = sdk.chat.completions  # made before the copy
        guarded = guard(sdk, scanner)
        with pytest.raises(MaliciousPrompt):
            guarded.chat.completions.create(model="m", messages=user(ATTACK))
        assert sdk.chat.completions.create(model="m", messages=user(ATTACK)).choices
        assert guarded.embeddings.create(model="m", input="text", encoding_format="float").data[0].embedding == [0, 1]
        assert guarded.moderations.create(input="text").results == []


def test_an_outage_is_an_outage(fake_llm):
    with openai.OpenAI(api_key="k", base_url=fake_llm.url) as sdk:
        guarded = guard(sdk, FakeScanner(lambda _: failing(500)).client(max_retries=0))
        with pytest.raises(Unavailable):
            guarded.chat.completions.create(model="m", messages=user("hello"))
    assert fake_llm.bodies == []


def test_more_than_one_streamed_choice_is_refused(client):
    from scanner_client.integrations.chat import ChatStream

    chunk = next(iter(client.chat.completions.create(model="m", messages=user("hello"), stream=True)))
    chunk.choices[0].index = 1
    with pytest.raises(ValueError, match="one choice"):
        ChatStream().take(chunk)


def test_the_asynchronous_client_does_the_same(use_async, fake_llm):
    async def use(client):
        answer = await client.chat.completions.create(model="m", messages=user("I am Ada"))
        assert answer.choices[0].message.content == "You said: I am Ada"
        stream = await client.chat.completions.create(model="m", messages=user("I am Ada"), stream=True)
        assert isinstance(stream, openai.AsyncStream)
        chunks = [chunk async for chunk in stream]
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "You said: I am Ada"
        assert (await client.responses.create(model="m", input="I am Ada")).output_text == "You said: I am Ada"
        events = [event async for event in await client.responses.create(model="m", input="I am Ada", stream=True)]
        assert events[-1].response.output_text == "You said: I am Ada"
        with pytest.raises(MaliciousPrompt):
            await client.responses.create(model="m", input=ATTACK)
        with pytest.raises(MaliciousOutput):
            await client.chat.completions.create(model="m", messages=user("insult me"))
        with pytest.raises(MaliciousOutput):
            [c async for c in await client.chat.completions.create(model="m", messages=user("insult me"), stream=True)]

    use_async(use)
    assert "Ada" not in fake_llm.seen


def test_kinds_that_do_not_go_together_are_refused(scanner):
    with openai.OpenAI(api_key="k") as sdk, pytest.raises(TypeError):
        guard(sdk, FakeScanner().async_client())
    with pytest.raises(TypeError):
        guard(openai.AsyncOpenAI(api_key="k"), scanner)
