import asyncio
import json
import threading
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.errors import InvalidRequest, Malformed
from scanner_service.http import strict_json, wire

MARKER = "the-text-itself"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{}", "`$.prompt`: is missing"),
        (b'{"prompt": 1}', "`$.prompt`: expected `str`, got `int`"),
        (b'{"prompt": null}', "`$.prompt`: expected `str`, got `null`"),
        (b'{"prompt": ["a"]}', "`$.prompt`: expected `str`, got `array`"),
        (b'{"prompt": "a", "surprise": 1}', "`$.surprise`: unknown field"),
        (b'{"prompt": "a", "scanners_suppress": "pii"}', "`$.scanners_suppress`: expected `array`, got `str`"),
        (b'{"prompt": "a", "scanners_suppress": ["pii", 3]}', "`$.scanners_suppress[1]`: expected `str`, got `int`"),
        (b'{"prompt": "a", "scanners_suppress": null}', "`$.scanners_suppress`: expected `array`, got `null`"),
        (b'{"prompt": "a", "policy": 1}', "`$.policy`: expected `str | null`, got `int`"),
        (b"[]", "`$`: expected `object`, got `array`"),
        (b'"a"', "`$`: expected `object`, got `str`"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(body, path):
    with pytest.raises(InvalidRequest) as error:
        strict_json.decode(body, wire.PromptRequest)
    assert str(error.value) == path


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"prompt": [MARKER]}),
        json.dumps({"prompt": "a", "policy": [MARKER]}),
        json.dumps({"prompt": "a", f"{MARKER} and more": 1}),
        json.dumps({"prompt": "a", "`: is missing\n" + MARKER: 1}),
        json.dumps({"prompt": "a", MARKER * 10: 1}),
        json.dumps({"prompt": "a", f"x` - at `$.{MARKER}": 1}),
        json.dumps({"prompt": "a", "fail_fast": MARKER}),
        json.dumps({"prompt": "a", "scanners_suppress": {MARKER: MARKER}}),
        json.dumps(MARKER),
        MARKER,
    ],
)
def test_no_error_repeats_a_value(body):
    with pytest.raises((InvalidRequest, Malformed)) as error:
        strict_json.decode(body.encode(), wire.PromptScanRequest)
    assert MARKER not in str(error.value)


@pytest.mark.parametrize("unit", ["` - at `", " - at `$", "`"])
def test_the_name_of_a_field_is_read_in_linear_time(unit):
    body = json.dumps({f"{unit * 50_000}\n": 1}).encode()
    start = time.thread_time()
    with pytest.raises(InvalidRequest):
        strict_json.decode(body, wire.PromptRequest)
    assert time.thread_time() - start < 1  # minutes if it took the square


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"prompt=a",
        b'{"prompt": "a"} {"prompt": "b"}',
        b'{"prompt": "a\xff"}',
        b'{"prompt": "a\xed\xa0\x80"}',
        b'{"prompt": "a\nb"}',
        b'{"prompt": NaN}',
        b'{"prompt": 1, "policy": nothing}',
        b'{"prompt": "\\x"}',
        '{"prompt": "a"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"prompt": "a"}',
        b'{"prompt": ' + b"[" * 100_000,
        b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"prompt": "\\ud800", "policy": nothing}',
        b'["\\ud800", ' + b"[" * 100_000,
    ],
)
def test_what_is_not_json_or_nested_too_deeply_is_malformed(body):
    for type_ in (wire.PromptRequest, wire.PromptsRequest):
        with pytest.raises(Malformed):
            strict_json.decode(body, type_)


@pytest.mark.parametrize("escaped", ["\\ud800", "a\\udc00b", "\\ude00\\ud83d", "\\uD800"])
def test_half_a_surrogate_pair_is_the_fault_of_its_field(escaped):
    request = strict_json.decode(b'{"prompt": "%s"}' % escaped.encode(), wire.PromptRequest)
    with pytest.raises(InvalidRequest, match=r"^`\$\.prompt`: holds half"):
        strict_json.check_text(request.prompt, "$.prompt")


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "a", "\\ud800": 1}',
        b'{"prompt": "a", "thresholds": {"pii": "\\ud800"}}',
        b'{"prompt": "a", "fail_fast": "\\ud800"}',
        b'"\\ud800"',
    ],
)
def test_half_a_surrogate_pair_is_wrong_where_no_text_is_expected(body):
    with pytest.raises(InvalidRequest, match=r"^`\$`: holds half"):
        strict_json.decode(body, wire.PromptScanRequest)


def test_a_bad_item_of_a_batch_leaves_the_others_readable():
    request = strict_json.decode(b'{"prompts": ["\\ud800", 3, "fine", null, ["x"]]}', wire.PromptsRequest)
    assert request.prompts[1:] == [3, "fine", None, ["x"]]


@given(st.text(st.characters(codec="utf-8")))
def test_every_text_arrives_as_it_was_sent(text):
    body = {"prompt": text}
    assert strict_json.decode(json.dumps(body).encode(), wire.PromptRequest).prompt == text
    assert strict_json.decode(json.dumps(body, ensure_ascii=False).encode(), wire.PromptRequest).prompt == text


@given(st.binary())
def test_no_body_breaks_the_decoder(body):
    with pytest.raises((InvalidRequest, Malformed)):
        strict_json.decode(body, wire.PromptRequest)


@pytest.mark.parametrize("text", ["", " ", "\n\t\r", "\u00a0\u2003\u3000"])
def test_nothing_but_white_space_is_empty(text):
    with pytest.raises(InvalidRequest, match=r"^`\$\.prompt`: is empty"):
        strict_json.check_text(text, "$.prompt")
    strict_json.check_text(text, "$.prompt", may_be_empty=True)


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\u200b", "x", "\U0001f600"])
def test_characters_that_cannot_be_seen_are_text(text):
    strict_json.check_text(text, "$.prompt")


def test_an_error_reads_as_a_refusal():
    answer = msgspec.to_builtins(wire.ErrorAnswer(error=wire.Error("code", "message"), request_id="id"))
    assert answer == {
        "error": {"code": "code", "message": "message"},
        "request_id": "id",
        "is_valid": False,
        "blocked": True,
        "scanners": {},
        "sanitized_prompt": "",
    }


def test_a_large_body_is_decoded_off_the_event_loop(monkeypatch):
    threads = []
    monkeypatch.setattr(strict_json, "decode", lambda body, type_: threads.append(threading.get_ident()))
    for size in (strict_json.LARGE_BYTES, strict_json.LARGE_BYTES + 1):
        asyncio.run(strict_json.decode_aside(b" " * size, dict))
    assert [thread == threading.get_ident() for thread in threads] == [True, False]
