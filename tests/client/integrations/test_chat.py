"""Requests and answers in OpenAI's format, walked through."""

from __future__ import annotations

import json

import pytest

from scanner_client import MaliciousPrompt
from scanner_client.integrations import chat, walks
from scanner_client.testing import Answer, FakeScanner, blocked, redacted

VALUE = 'Ada "Countess" \\ Lovelace'


def answer(text):
    if "attack" in text:
        return blocked("prompt_injection")
    return redacted(text.replace("Ada", "[P_1]"), {"[P_1]": VALUE}) if "Ada" in text else Answer()


@pytest.fixture
def fake():
    return FakeScanner(answer)


def asks(walk):
    """The texts that *walk* asks about, each answered in capitals, and its result."""
    asked = []
    try:
        ask = next(walk)
        while True:
            asked.append(ask.text)
            ask = walk.send(ask.text.upper())
    except StopIteration as end:
        return asked, end.value


def test_everything_that_the_developer_did_not_write_is_asked_about():
    messages = [
        {"role": "system", "content": "system"},
        {"role": "developer", "content": "developer"},
        {"role": "user", "content": "user", "name": "n"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "part"}, {"type": "image_url", "image_url": {"url": "x"}}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "tool", "tool_call_id": "1"},
        {"role": "unheard of", "content": "unknown"},
        {"role": "user", "content": " "},
    ]
    body = {"model": "m", "messages": messages, "temperature": 0}
    asked, safe = asks(chat.chat_request(body))
    assert asked == ["user", "part", "{}", "tool", "unknown"]
    assert [message["content"] for message in safe["messages"]] == [
        "system",
        "developer",
        "USER",
        [{"type": "text", "text": "PART"}, {"type": "image_url", "image_url": {"url": "x"}}],
        None,
        "TOOL",
        "UNKNOWN",
        " ",
    ]
    assert safe["model"] == "m"
    assert body["messages"] == messages
    assert messages[2]["content"] == "user"


def test_inputs_of_responses_are_asked_about():
    assert asks(chat.responses_request({"input": "text"}))[0] == ["text"]
    items = [
        {"role": "developer", "content": "trusted"},
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "part"}, {"type": "input_image", "image_url": "x"}],
        },
        {"type": "function_call", "arguments": '{"a": 1}', "name": "f", "call_id": "1"},
        {"type": "function_call_output", "output": "result", "call_id": "1"},
        {"type": "custom_tool_call", "input": "custom", "call_id": "2"},
    ]
    assert asks(chat.responses_request({"input": items}))[0] == ["part", '{"a": 1}', "result", "custom"]


def test_prompts_of_plain_completions_are_asked_about_and_numbers_are_refused():
    assert asks(chat.completion_request({"prompt": ["a", "b"]})) == (["a", "b"], {"prompt": ["A", "B"]})
    with pytest.raises(TypeError, match="token numbers"):
        asks(chat.completion_request({"prompt": [1, 2]}))


def test_values_with_quotes_are_restored_into_json_that_stays_json(fake):
    client = fake.client()
    _, prompt = walks.run(chat.chat_request({"messages": [{"role": "user", "content": "I am Ada"}]}), client)
    arguments = json.dumps({"to": ["Dear [P_1]"], "count": 3, "nested": {"name": "[P_1]"}})
    safe, _ = walks.run(walks.strings(arguments, is_output=True), client, prompt)
    assert json.loads(safe) == {"to": [f"Dear {VALUE}"], "count": 3, "nested": {"name": VALUE}}
    assert walks.run(walks.strings("no json [P_1]", is_output=True), client, prompt)[0] == f"no json {VALUE}"


def test_one_attack_anywhere_stops_the_walk(fake):
    messages = [{"role": "user", "content": "hello"}, {"role": "tool", "content": "an attack"}]
    with pytest.raises(MaliciousPrompt):
        walks.run(chat.chat_request({"messages": messages}), fake.client())


def test_a_later_message_without_values_keeps_the_values_of_earlier_ones(fake):
    messages = [{"role": "user", "content": "I am Ada"}, {"role": "user", "content": "hello"}]
    client = fake.client()
    _, prompt = walks.run(chat.chat_request({"messages": messages}), client)
    assert client.check_output("[P_1]", prompt=prompt).sanitized_output == VALUE


class Thing:
    """As the SDK's types are, with fields that it knows and fields that it does not."""

    def __init__(self, **fields):
        vars(self).update(fields)

    model_extra = None


def test_nothing_of_an_answer_goes_around_the_scan():
    function = Thing(name="f", arguments='{"a": "x"}')
    message = Thing(
        role="assistant",
        content="content",
        refusal="refusal",
        reasoning_content="thought",
        unheard_of="surprise",
        thinking_blocks=[{"thinking": "raw"}],
        function_call=Thing(name="f", arguments='{"b": 1}'),
        tool_calls=[Thing(function=function), Thing(function=None, custom=Thing(input="custom"))],
    )
    choice = Thing(message=message, logprobs=Thing(content=["raw"]))
    asked, _ = asks(chat.chat_answer(Thing(choices=[choice])))
    assert asked == ["content", "refusal", "thought", "surprise", '{"a": "x"}', "x", "custom", '{"b": 1}']
    assert (message.content, message.unheard_of, message.role) == ("CONTENT", "SURPRISE", "assistant")
    assert function.arguments == '{"a": "X"}'
    assert message.thinking_blocks is None
    assert choice.logprobs is None


def test_nothing_of_a_response_goes_around_the_scan():
    part = Thing(type="output_text", text="text", logprobs=[1])
    items = [
        Thing(type="message", content=[part, Thing(refusal="refusal")]),
        Thing(type="reasoning", summary=[Thing(text="summary")], content=None),
        Thing(type="custom_tool_call", input="input"),
        Thing(type="mcp_call", output="output", arguments="{}"),
    ]
    asked, _ = asks(chat.responses_answer(Thing(output=items)))
    assert asked == ["text", "refusal", "summary", "input", "output", "{}"]
    assert (part.text, part.logprobs) == ("TEXT", None)


def test_a_refusal_in_a_stream_waits_and_is_asked_about():
    def chunk(finish=None, **delta):
        choice = Thing(index=0, delta=Thing(**delta), finish_reason=finish, logprobs=[1])
        choice.delta.model_extra = None
        return Thing(choices=[choice], usage=None)

    stream = chat.ChatStream()
    assert [stream.take(chunk(role="assistant", content=None, refusal=piece)) for piece in ("I ", "won't")] == ["", ""]
    assert stream.take(chunk("stop", content=None, reasoning_content="thought")) == ""
    asked, (last,) = asks(stream.rest())
    assert asked == ["I won't"]
    delta = last.choices[0].delta
    assert (delta.role, delta.refusal, delta.reasoning_content) == ("assistant", "I WON'T", None)
    assert last.choices[0].logprobs is None
