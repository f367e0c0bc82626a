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
        {"role": "unknown", "content": "unknown"},
        {"role": "user", "content": " "},
    ]
    body = {"model": "m", "messages": messages, "temperature": 0}
    asked, safe = asks(chat.request(body))
    assert asked == ["user", "n", "part", "{}", "tool", "unknown"]
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
    assert asks(chat.request({"input": "text"}))[0] == ["text"]
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
    assert asks(chat.request({"input": items}))[0] == ["part", *['{"a": 1}', '{"a": 1}'], "result", "custom"]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "TEXT", "outcome": {"type": "exit"}}]},
        {"type": "code_interpreter_call", "id": "c", "code": "TEXT", "outputs": [{"type": "logs", "logs": "TEXT"}]},
        {"type": "file_search_call", "results": [{"file_id": "f", "text": "TEXT", "attributes": {"id": "TEXT"}}]},
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "TEXT"}]},
        {"role": "assistant", "refusal": "TEXT"},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "TEXT"}},
        {"role": "user", "content": ({"type": "text", "text": "TEXT"},)},
        {"role": "user", "content": [{"type": "text-plain", "text": "TEXT", "mime_type": "text/plain"}]},
        {"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "TEXT"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "TEXT"}]},
        {"role": "user", "content": [{"type": "search_result", "title": "TEXT", "content": [{"text": "TEXT"}]}]},
        {"role": "user", "content": [{"type": "unheard_of", "nested": [{"anything": "TEXT"}]}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"url": "TEXT"}}]},
    ],
    ids=str,
)
@pytest.mark.parametrize("field", ["messages", "input"])
def test_texts_are_asked_about_wherever_they_are(item, field):
    asked, safe = asks(chat.request({field: [json.loads(json.dumps(item).replace("TEXT", "some text"))]}))
    assert {text for text in asked if not text.startswith("{")} == {"some text"}
    (safe_item,) = safe[field]
    assert "some text" not in str(safe_item)
    assert str(safe_item).count("SOME TEXT") == str(item).count("TEXT")


def test_references_and_pictures_are_passed_on_unless_they_hold_words():
    parts = [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png?size=2", "detail": "auto"}},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "file", "base64": "JVBERi0=", "mime_type": "application/pdf"},
        {"type": "document", "source": {"type": "file", "file_id": "file-1"}},
    ]
    call = {"type": "image_generation_call", "id": "i-1", "status": "completed", "result": "iVBORw0KGgo="}
    assert asks(chat.request({"input": [{"role": "user", "content": parts}, call]}))[0] == []
    hidden = [
        {"type": "an attack", "id": "ada@example.com"},
        {"type": "document", "source": {"type": "text", "data": "attack"}},
        {"type": "input_image", "image_url": "看这里"},
        {"type": "function_call_output", "result": "attack"},
    ]
    asked, _ = asks(chat.request({"input": hidden}))
    assert asked == ["an attack", "ada@example.com", "attack", "看这里", "attack"]


def test_variables_of_prompts_and_other_texts_of_a_request_are_asked_about():
    variables = {"name": "a", "part": {"type": "input_text", "text": "b"}, "image": {"image_url": "https://x/y.png"}}
    asked, safe = asks(chat.request({"prompt": {"id": "pmpt_1", "version": "2", "variables": variables}}))
    assert asked == ["a", "b"]
    safe_variables = {**variables, "name": "A", "part": {"type": "input_text", "text": "B"}}
    assert safe == {"prompt": {"id": "pmpt_1", "version": "2", "variables": safe_variables}}
    body = {"messages": [], "prediction": {"type": "content", "content": "c"}, "prompt_variables": {"id": "d"}}
    assert asks(chat.request(body))[0] == ["c", "d"]
    assert asks(chat.request({"prompt": "e", "suffix": "f", "documents": [{"text": "g"}]}))[0] == ["g", "f", "e"]


@pytest.mark.parametrize(
    "laid_over",
    [
        {"extra_body": "TEXT"},
        {"fallbacks": ["m", "TEXT"]},
        {"fallbacks": [{"m": ["n", "TEXT"]}]},
        {"context_window_fallbacks": [{"m": ["TEXT"]}]},
        {"content_policy_fallbacks": [{"model": "m", "extra_body": "TEXT"}]},
        {"model_list": [{"model_name": "m", "litellm_params": "TEXT"}]},
    ],
    ids=str,
)
def test_what_is_laid_over_a_request_is_asked_about(laid_over):
    def having(text):
        message = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], "stop": ["s"]})
        return json.loads(json.dumps(laid_over).replace('"TEXT"', message))

    assert asks(chat.request(having("some text"))) == (["some text"], having("SOME TEXT"))


def test_what_nobody_can_read_is_refused():
    with pytest.raises(walks.Unscannable):
        asks(chat.request({"messages": [{"role": "user", "content": object()}]}))
    with pytest.raises(walks.Unscannable):
        asks(chat.request({"messages": (message for message in [])}))
    with pytest.raises(walks.Unscannable):
        asks(chat.answer("data: ..."))
    with pytest.raises(walks.Unscannable):
        chat.ChatStream().take(b"event: message_start")


def test_prompts_of_plain_completions_are_asked_about_and_numbers_are_refused():
    assert asks(chat.request({"prompt": ["a", "b"]})) == (["a", "b"], {"prompt": ["A", "B"]})
    with pytest.raises(TypeError, match="token numbers"):
        asks(chat.request({"prompt": [1, 2]}))


def test_one_attack_anywhere_stops_the_walk(fake):
    messages = [{"role": "user", "content": "hello"}, {"role": "tool", "content": "an attack"}]
    with pytest.raises(MaliciousPrompt):
        walks.run(chat.request({"messages": messages}), fake.client())


def test_a_later_message_without_values_keeps_the_values_of_earlier_ones(fake):
    messages = [{"role": "user", "content": "I am Ada"}, {"role": "user", "content": "hello"}]
    client = fake.client()
    _, prompt = walks.run(chat.request({"messages": messages}), client)
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
    asked, _ = asks(chat.answer(Thing(choices=[choice])))
    numbers, texts = ['{"b": 1}', '{"b": 1}'], ['{"a": "x"}', "x", '{"a": "X"}']
    assert asked == ["content", "refusal", "thought", "surprise", *numbers, *texts, "custom"]
    assert (message.content, message.unheard_of, message.role) == ("CONTENT", "SURPRISE", "assistant")
    assert function.arguments == '{"A": "X"}'
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
    asked, _ = asks(chat.answer(Thing(output=items)))
    assert asked == ["text", "refusal", "summary", "input", "output", "{}"]
    assert (part.text, part.logprobs) == ("TEXT", None)


def test_whatever_tools_a_response_calls_their_texts_are_asked_about():
    items = [
        Thing(type="shell_call", call_id="c", status="completed", action=Thing(commands=["ls a b"], timeout_ms=1)),
        Thing(type="apply_patch_call", operation=Thing(type="create_file", path="a", diff="+ b")),
        Thing(type="code_interpreter_call", code="print(1)", outputs=[Thing(type="logs", logs="one")]),
        Thing(type="file_search_call", queries=["query"], results=[Thing(file_id="f", text="found")]),
        Thing(type="unheard_of", deep={"er": [Thing(words="surprise")]}),
        Thing(type="image_generation_call", result="iVBORw0KGgo="),
    ]
    asked, _ = asks(chat.answer(Thing(output=items)))
    assert asked == ["ls a b", "a", "+ b", "print(1)", "one", "query", "found", "surprise"]
    assert items[0].action.commands == ["LS A B"]
    assert items[1].operation.diff == "+ B"
    assert items[4].deep["er"][0].words == "SURPRISE"


def test_messages_of_anthropic_are_asked_about():
    content = [{"type": "thinking", "thinking": "a b", "signature": "c="}, {"type": "tool_use", "input": {"id": "d"}}]
    asked, safe = asks(chat.answer({"type": "message", "role": "assistant", "content": content}))
    assert asked == ["a b", "d", '{"id": "d"}', '{"id": "D"}']
    assert safe["content"][1]["input"] == {"ID": "D"}


def test_the_transcript_of_a_spoken_answer_is_asked_about():
    message = Thing(role="assistant", content=None, audio=Thing(id="a-1", data="UklGRg==", transcript="spoken"))
    assert asks(chat.answer(Thing(choices=[Thing(message=message)])))[0] == ["spoken"]
    assert (message.audio.transcript, message.audio.data) == ("SPOKEN", "UklGRg==")


def test_streamed_calls_of_every_kind_are_asked_about_as_a_whole():
    def chunk(**delta):
        return Thing(choices=[Thing(index=0, delta=Thing(content=None, **delta), finish_reason=None)])

    def custom(text):
        return [Thing(index=0, id="1", function=None, custom={"name": "shell", "input": text})]

    stream = chat.ChatStream()
    for piece in ("echo ", "hello"):
        stream.take(chunk(tool_calls=custom(piece)))
    for piece in ('{"a":', ' "b"}'):
        stream.take(chunk(function_call=Thing(name="f", arguments=piece)))
    asked, chunks = asks(stream.rest())
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert asked == ["echo hello", '{"a": "b"}', "b", '{"a": "B"}']
    assert [delta.tool_calls[0].custom["input"] for delta in deltas[:2]] == ["ECHO HELLO", ""]
    assert [delta.function_call.arguments for delta in deltas[2:]] == ['{"A": "B"}', ""]


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
