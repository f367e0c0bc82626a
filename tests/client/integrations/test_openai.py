"""The OpenAI SDK, guarded: its own types come back, without what must not leave or be shown."""

from __future__ import annotations

import json

import pytest

openai = pytest.importorskip("openai")

from scanner_client import MaliciousOutput, MaliciousPrompt, Unavailable  # noqa: E402
from scanner_client.integrations.openai import guard  # noqa: E402
from scanner_client.testing import FakeScanner, failing  # noqa: E402
from tests.client.conftest import ATTACK  # noqa: E402
from tests.client.integrations.conftest import chunk, completion, response  # noqa: E402

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


def output_text(text):
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "m-1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def test_what_is_parsed_is_what_was_scanned(client, fake_llm):
    pydantic = pytest.importorskip("pydantic")
    mail = pydantic.create_model("Mail", to=str)
    fake_llm.says = completion(content='{"to": "[PERSON_1]"}')
    answer = client.chat.completions.parse(model="m", messages=user("I am Ada"), response_format=mail)
    assert answer.choices[0].message.parsed == mail(to="Ada")
    call = {"id": "1", "type": "function", "function": {"name": "Mail", "arguments": '{"to": "[PERSON_1]"}'}}
    fake_llm.says = completion(content=None, tool_calls=[call])
    tools = [openai.pydantic_function_tool(mail)]
    answer = client.chat.completions.parse(model="m", messages=user("I am Ada"), tools=tools)
    assert answer.choices[0].message.tool_calls[0].function.parsed_arguments == mail(to="Ada")
    fake_llm.says = response(output_text('{"to": "[PERSON_1]"}'))
    answer = client.responses.parse(model="m", input="I am Ada", text_format=mail)
    assert answer.output_parsed == mail(to="Ada")


def test_what_is_parsed_from_a_stream_is_what_was_scanned(client):
    pydantic = pytest.importorskip("pydantic")
    words = pydantic.RootModel[str]
    with client.responses.stream(model="m", input='"I am Ada"') as stream:
        assert stream.get_final_response().output_text == 'You said: "I am Ada"'
    with (
        pytest.raises(MaliciousOutput),
        client.responses.stream(model="m", input="insult", text_format=words) as stream,
    ):
        stream.get_final_response()


def test_a_response_that_is_retrieved_later_is_scanned(client, fake_llm):
    fake_llm.says = response(output_text("You idiot"))
    with pytest.raises(MaliciousOutput):
        client.responses.retrieve("r-1")
    with pytest.raises(MaliciousOutput):
        client.responses.cancel("r-1")
    fake_llm.says = completion(content="You idiot")
    with pytest.raises(MaliciousOutput):
        client.chat.completions.retrieve("c-1")
    fake_llm.says = {"object": "list", "data": [completion(content="You idiot")], "has_more": False}
    with pytest.raises(TypeError, match="no answer that can be scanned"):
        client.chat.completions.list()
    fake_llm.says = {"object": "response.input_tokens", "input_tokens": 3}
    assert client.responses.input_tokens.count(model="m", input="hello").input_tokens == 3
    with pytest.raises(MaliciousPrompt):
        client.responses.input_tokens.count(model="m", input=ATTACK)
    fake_llm.says = response(status="queued")
    assert client.responses.create(model="m", input="hello", background=True).status == "queued"


def test_variables_of_stored_prompts_are_guarded(client, fake_llm):
    client.responses.create(prompt={"id": "pmpt_1", "variables": {"name": "Ada"}}, model="m", input="hello")
    with pytest.raises(MaliciousPrompt):
        client.responses.create(prompt={"id": "pmpt_1", "variables": {"question": ATTACK}})
    fake_llm.says = response(output_text("hello"))
    client.responses.create(prompt={"id": "pmpt_1", "variables": {"question": "Who?"}})
    assert fake_llm.bodies[-1] == {"prompt": {"id": "pmpt_1", "variables": {"question": "Who?"}}}
    assert "Ada" not in fake_llm.seen


def test_what_an_extra_body_lays_over_a_request_is_guarded(client, fake_llm):
    with pytest.raises(MaliciousPrompt):
        client.chat.completions.create(model="m", messages=user("hello"), extra_body={"messages": user(ATTACK)})
    client.chat.completions.create(model="m", messages=user("hello"), extra_body={"messages": user("Ada"), "top_k": 1})
    assert [message["content"] for message in fake_llm.bodies[-1]["messages"]] == ["Be kind.", "[PERSON_1]"]
    assert fake_llm.bodies[-1]["top_k"] == 1
    with pytest.raises(TypeError, match="JSON object"):
        client.post("/chat/completions", content=b"{}", cast_to=object)


def test_tools_that_a_response_calls_are_guarded(client, fake_llm):
    call = {"type": "shell_call", "id": "s-1", "call_id": "c", "status": "completed"}
    fake_llm.says = response(call | {"action": {"commands": ["mail [PERSON_1]"], "timeout_ms": 1}})
    assert client.responses.create(model="m", input="I am Ada").output[0].action.commands == ["mail Ada"]
    fake_llm.says = response(call | {"action": {"commands": ["echo You idiot"], "timeout_ms": 1}})
    with pytest.raises(MaliciousOutput):
        client.responses.create(model="m", input="hello")


def test_custom_tools_in_a_stream_are_guarded(client, fake_llm):
    def calls(text):
        return {"tool_calls": [{"index": 0, "id": "1", "type": "custom", "custom": {"name": "shell", "input": text}}]}

    fake_llm.says = [chunk(calls("mail [PER")), chunk(calls("SON_1]")), chunk({}, "tool_calls")]
    chunks = list(client.chat.completions.create(model="m", messages=user("I am Ada"), stream=True))
    assert [c.choices[0].delta.tool_calls[0].custom["input"] for c in chunks[:2]] == ["mail Ada", ""]
    fake_llm.says = [chunk(calls("You id")), chunk(calls("iot")), chunk({}, "tool_calls")]
    with pytest.raises(MaliciousOutput):
        list(client.chat.completions.create(model="m", messages=user("hello"), stream=True))


def test_a_long_call_of_a_tool_does_not_look_like_silence(fake_llm):
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "write", "arguments": "x"}}
    fake_llm.says = [chunk({"content": "Wait."}), *[chunk({"tool_calls": [call]})] * 3, chunk({}, "tool_calls")]
    scanner = FakeScanner()
    with openai.OpenAI(api_key="k", base_url=fake_llm.url) as sdk:
        list(guard(sdk, scanner.client()).chat.completions.create(model="m", messages=user("hi"), stream=True))
    sent = next(request for request in scanner.requests if request.url.path.endswith("/stream"))
    assert sent.content.count(b'{"delta":""}') >= 3


def test_a_streamed_response_begins_empty(client, fake_llm):
    def call(text):
        return {"type": "custom_tool_call", "id": "s-1", "call_id": "c", "name": "shell", "input": text}

    final = response(call("mail [PERSON_1]"), output_text("[PERSON_1]"))
    part = {"type": "output_text", "text": "You idiot", "annotations": []}
    events = [
        {"type": "response.created", "response": response(output_text("You idiot"))},
        {"type": "response.output_item.added", "output_index": 0, "item": call("You idiot")},
        {"type": "response.custom_tool_call_input.delta", "output_index": 0, "item_id": "s-1", "delta": "mail"},
        {"type": "response.custom_tool_call_input.done", "output_index": 0, "item_id": "s-1", "input": "mail"},
        {"type": "response.output_item.done", "output_index": 0, "item": final["output"][0]},
        {"type": "response.content_part.added", "output_index": 1, "content_index": 0, "item_id": "m-1", "part": part},
        {"type": "response.completed", "response": final},
    ]
    fake_llm.says = [event | {"sequence_number": number} for number, event in enumerate(events)]
    told = list(client.responses.create(model="m", input="I am Ada", stream=True))
    assert [event.type for event in told] == [event["type"] for event in events]
    assert told[0].response.output == []
    assert (told[1].item.input, told[1].item.name) == ("", "shell")
    assert (told[2].delta, told[3].input, told[4].item.input) == ("mail Ada", "mail Ada", "mail Ada")
    assert told[5].part.text == ""


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
        fake_llm.says = {"object": "list", "data": [], "has_more": False}
        assert guarded.models.list().data == []
        assert guarded.responses.input_items.list("r-1").data == []
        assert guarded.chat.completions.messages.list("c-1").data == []


def test_what_is_put_into_a_conversation_is_guarded(client, fake_llm):
    fake_llm.says = {"id": "conv_1", "object": "conversation", "created_at": 1, "metadata": {}, "data": []}
    assert client.conversations.create().id == "conv_1"
    client.conversations.create(items=user("I am Ada"))
    client.conversations.items.create("conv_1", items=user("I am Ada"))
    assert [body.get("items") for body in fake_llm.bodies] == [None, *[user("I am [PERSON_1]")] * 2]
    for ask in (client.conversations.create, lambda items: client.conversations.items.create("conv_1", items=items)):
        with pytest.raises(MaliciousPrompt):
            ask(items=user(ATTACK))
    assert client.conversations.retrieve("conv_1").id == "conv_1"
    assert client.conversations.items.list("conv_1").data == []


@pytest.mark.parametrize("path", ["threads/t-1/messages", "batches", "agents/sessions/s-1/events", "unheard_of"])
def test_endpoints_that_ask_an_llm_in_another_way_are_refused(client, fake_llm, path):
    with pytest.raises(TypeError, match="unguarded client"):
        client.post(f"/{path}", body={"content": ATTACK}, cast_to=object)
    assert fake_llm.bodies == []


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
