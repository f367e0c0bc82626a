"""Where the service is, and who asks."""

from __future__ import annotations

import asyncio
import base64

import httpx2
import pytest

from scanner_client import AsyncClient, Client, ScanFailed
from scanner_client.settings import certificates, environment, split_url
from scanner_client.testing import FakeScanner, failing, redacted
from tests.client.servers import VALID, response, scripted


def test_the_environment_is_read_ours_first(monkeypatch):
    monkeypatch.setenv("LLM_GUARD_URL", "http://old")
    assert environment("URL") == "http://old"
    monkeypatch.setenv("SCANNER_URL", "http://new")
    assert environment("URL") == "http://new"
    monkeypatch.setenv("SCANNER_URL", "")
    assert environment("URL") == "http://old"


def test_url_and_key_come_from_the_environment(monkeypatch):
    with scripted(response(VALID)) as server:
        monkeypatch.setenv("LLM_GUARD_URL", server.url + "/")
        monkeypatch.setenv("SCANNER_API_KEY", "a-key")
        with Client(headers={"X-Team": "red"}) as client:
            client.check_prompt("text", request_id="id-1", traceparent="00-abc-def-01")
    head = server.heads[0].lower()
    assert head.startswith("post /analyze/prompt http/1.1")
    for line in ("authorization: bearer a-key", "x-team: red", "x-request-id: id-1", "traceparent: 00-abc-def-01"):
        assert line in head.split("\n")
    assert "user-agent: scanner-client/" in head


def test_without_a_url_there_is_no_client():
    with pytest.raises(ValueError, match="SCANNER_URL"):
        Client()


def test_urls_of_each_kind_are_understood():
    basic = base64.b64encode(b"key:").decode()
    assert split_url("http://host:8000/") == ("http://host:8000", None, None)
    assert split_url("https://host/prefix/") == ("https://host/prefix", None, None)
    assert split_url("http://key:@host") == ("http://host", None, basic)
    assert split_url("unix:///run/a.sock") == ("http://localhost", "/run/a.sock", None)
    assert split_url("http+unix://%2Frun%2Fa.sock/p") == ("http://localhost/p", "/run/a.sock", None)


@pytest.mark.parametrize(
    "url", ["host:8000", "ftp://key:secret@host", "http://", "unix://host/path", "http://host?key=secret"]
)
def test_other_urls_are_refused_without_repeating_them(url):
    with pytest.raises(ValueError, match="must start with") as caught:
        Client(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:secret",
        "http://localhost:99999",
        "http://[::1",
        "http://exämple..com",
        "http://secret..com",
        "http://" + "a" * 64,
        "http://exa\x00mple",
        "http+unix://%2Frun%2Fa.sock/\x7f",
    ],
)
def test_wrong_urls_are_refused_at_once_without_repeating_them(url):
    for cls in (Client, AsyncClient):
        with pytest.raises(ValueError, match="a host, a port or a character") as caught:
            cls(url)
        assert "secret" not in str(caught.value)


def test_a_host_is_sent_as_it_is_resolved():
    assert split_url("http://exämple.com/ü") == ("http://xn--exmple-cua.com/%C3%BC", None, None)
    assert split_url("http://[::1]:8000") == ("http://[::1]:8000", None, None)


LIMITS = [{"timeout": bad} for bad in (0, -1, float("nan"), float("inf"), "5", None)]
LIMITS += [{"max_retries": bad} for bad in (-1, -5, 1.5, "2", None)]


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_limits_that_are_none_are_refused_by_clients_and_by_every_call(limits):
    fake = FakeScanner()
    excusing = {"on_unavailable": "allow"}  # too little time would be an outage
    with Client("http://localhost") as owner:
        for call in (
            lambda: Client("http://host", **limits),
            lambda: AsyncClient("http://host", **limits),
            lambda: fake.client(**excusing).check_prompt("text", **limits),
            lambda: fake.client(**excusing).check_output("text", **limits),
            lambda: fake.client(**excusing).analyze_prompts(["text"], **limits),
            lambda: fake.client(**excusing).analyze_many(["text"], **limits),
            lambda: fake.client(**excusing).shield("text", list, **limits),
            lambda: fake.client().stream_output(["text"], **limits),
            lambda: owner.stream_output(["text"], **limits),
            lambda: fake.async_client().stream_output(["text"], **limits),
            lambda: asyncio.run(fake.async_client(**excusing).check_prompt("text", **limits)),
            lambda: asyncio.run(fake.async_client(**excusing).analyze_many(["text"], **limits)),
        ):
            with pytest.raises(ValueError, match="timeout must be over 0"):
                call()
    assert fake.texts == []


def test_certificates_are_read_once(monkeypatch, tmp_path):
    known = certificates()
    Client("https://host").close()
    assert certificates() is known
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))  # unless they are to be found somewhere else
    assert certificates() is not known


def test_credentials_stay_out_of_reprs():
    client = Client("http://user:secret@host", headers={"x-key": "secret"})
    assert "secret" not in repr(client._settings)
    client.close()


def test_a_prompt_is_not_sent_on_by_a_redirect():
    seen = []

    def answer(request):
        seen.append(str(request.url))
        return httpx2.Response(307, headers={"location": "http://elsewhere/"})

    with httpx2.Client(transport=httpx2.MockTransport(answer), follow_redirects=True) as http:
        with pytest.raises(Exception, match="307"):
            Client("http://host", http_client=http).check_prompt("text")
    assert seen == ["http://host/analyze/prompt"]


def test_the_fake_scanner_records_what_it_was_asked():
    scanner = FakeScanner()
    scanner.client().check_prompt("text")
    assert scanner.texts == ["text"]
    assert scanner.requests[0].headers["authorization"] == "Bearer test"


def test_the_fake_scanner_keeps_the_values_of_a_conversation():
    table = {
        "I am Ada": redacted("I am [PERSON_1]", {"[PERSON_1]": "Ada"}),
        "Ada met Bob": redacted("[PERSON_1] met [PERSON_2]", {"[PERSON_2]": "Bob"}),
    }
    client = FakeScanner(table).client()
    first = client.check_prompt("I am Ada")
    second = client.check_prompt("Ada met Bob", previous=first)
    assert second.sanitized_prompt == "[PERSON_1] met [PERSON_2]"
    for last in (second, client.check_prompt("Who?", previous=second)):
        assert client.check_output("[PERSON_2], not [PERSON_1]", prompt=last).sanitized_output == "Bob, not Ada"


@pytest.mark.parametrize("status", [403, 422, 429, 500, 503, 504])
def test_a_failure_of_the_fake_scanner_is_the_same_among_many_prompts(status):
    client = FakeScanner({"down": failing(status)}).client(max_retries=0)
    (among_many,) = client.analyze_prompts(["down"])
    with pytest.raises(ScanFailed) as caught:
        client.analyze_prompt("down")
    assert (type(among_many), among_many.code) == (type(caught.value), caught.value.code)


def test_the_choice_about_outages_can_be_tried_with_the_fake_scanner():
    client = FakeScanner({"down": failing(503)}).client(max_retries=0, on_unavailable="allow")
    assert [answer.is_valid for answer in client.analyze_prompts(["down", "hello"])] == [True, True]


def test_the_fake_scanner_restores_values_into_json_that_stays_json():
    client = FakeScanner({"I am": redacted("I am [P_1]", {"[P_1]": 'Ada "Countess"'})}).client()
    prompt = client.check_prompt("I am")
    restored = [client.check_output(text, prompt=prompt).sanitized_output for text in ('{"to": "[P_1]"}', "[P_1]!")]
    assert restored == ['{"to": "Ada \\"Countess\\""}', 'Ada "Countess"!']
