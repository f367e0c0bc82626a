"""The clients against the real application, in process and over sockets."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import threading

import httpx2
import pytest

from scanner_client import (
    AsyncClient,
    Client,
    Forbidden,
    InvalidRequest,
    MaliciousOutput,
    MaliciousPrompt,
    PromptAnalysis,
    Unauthorized,
)
from tests.client.conftest import ATTACK, HARMLESS, in_process
from tests.client.servers import VALID, response, scripted


def test_a_harmless_prompt_comes_back_as_it_is(client):
    analysis = client.check_prompt(HARMLESS)
    assert analysis.is_valid
    assert analysis.sanitized_prompt == HARMLESS
    assert analysis.policy == "default"
    assert analysis.scores["prompt_injection"] < 0


def test_a_malicious_prompt_raises_and_names_scanners_and_scores(client):
    with pytest.raises(MaliciousPrompt) as caught:
        client.check_prompt(ATTACK)
    error = caught.value
    assert "Scanners triggered: prompt_injection; scores: {'prompt_injection': 1.0" in str(error)
    assert error.scores["prompt_injection"] == 1.0
    assert error.scores["toxicity"] < 0
    (finding,) = next(result for result in error.results if result.triggered).findings
    assert (finding.label, ATTACK[finding.start : finding.end]) == ("INJECTION", "Ignore all previous")
    assert error.analysis.request_id


def test_analyze_returns_what_check_raises(client):
    analysis = client.analyze_prompt(ATTACK)
    assert not analysis.is_valid
    assert analysis.triggered == ("prompt_injection",)
    with pytest.raises(MaliciousPrompt):
        analysis.raise_if_blocked()


def test_a_redacted_prompt_is_valid_and_its_text_is_the_sanitized_one(client):
    assert "Ada" not in client.check_prompt("Write to Ada").sanitized_prompt


def test_a_malicious_output_raises(client):
    with pytest.raises(MaliciousOutput, match="toxicity"):
        client.check_output("You idiot", prompt="Hello")
    assert client.check_output("You are kind").sanitized_output == "You are kind"


def test_prompts_are_answered_in_their_order_and_failures_are_values(client):
    harmless, attack, empty = client.analyze_prompts([HARMLESS, ATTACK, " "])
    assert harmless.is_valid
    assert not attack.is_valid
    assert isinstance(empty, InvalidRequest)
    assert empty.code == "invalid_request"
    assert not empty.is_valid


def test_every_method_of_the_asynchronous_client_says_the_same(client, with_async_client):
    async def use(twin):
        with pytest.raises(MaliciousPrompt) as caught:
            await twin.check_prompt(ATTACK)
        with pytest.raises(MaliciousOutput):
            await twin.check_output("You idiot")
        prompt = await twin.check_prompt("Write to Ada")
        output = await twin.analyze_output("Done", prompt="Hello")
        return caught.value.scores, prompt.sanitized_prompt, output.sanitized_output, await twin.analyze_prompts([" "])

    scores, prompt, output, (empty,) = with_async_client(use)
    assert scores == client.analyze_prompt(ATTACK).scores
    assert prompt == client.analyze_prompt("Write to Ada").sanitized_prompt
    assert output == "Done"
    assert isinstance(empty, InvalidRequest)


def test_both_clients_have_the_same_methods_with_the_same_parameters():
    import inspect

    def surface(cls):
        methods = {name: value for name, value in vars(cls).items() if not name.startswith("_") and callable(value)}
        return {
            name.removeprefix("a") if name == "aclose" else name: list(inspect.signature(method).parameters)
            for name, method in methods.items()
        }

    assert surface(Client) == surface(AsyncClient)
    assert (
        inspect.signature(Client.__init__).parameters.keys()
        == inspect.signature(AsyncClient.__init__).parameters.keys()
    )


def test_policy_and_suppression_are_passed_on(client):
    assert client.check_prompt(ATTACK, policy="mild").policy == "mild"
    assert client.check_prompt("whisper", scanners_suppress=["quiet"]).is_valid
    with pytest.raises(MaliciousPrompt):
        client.check_prompt("whisper")
    with pytest.raises(Forbidden) as caught:
        client.check_prompt(HARMLESS, scanners_suppress=["prompt_injection"])
    assert caught.value.status == 403


def test_a_call_can_lower_thresholds_and_add_entities(client):
    assert client.analyze_prompt(HARMLESS, thresholds={"prompt_injection": 0.1}).results[0].threshold == 0.1
    with pytest.raises(InvalidRequest) as caught:  # the rule of this policy is no `pii`
        client.analyze_prompt(HARMLESS, entities={"prompt_injection": ["DE_TAX_ID"]})
    assert "$.entities.prompt_injection" in str(caught.value)


def test_an_option_that_there_is_not_is_refused(client, with_async_client):
    wrong = {"threshold": {"prompt_injection": 0.1}}
    for call in (
        lambda: client.analyze_prompt(HARMLESS, **wrong),
        lambda: client.check_output(HARMLESS, polcy="strict"),
        lambda: client.analyze_prompts([HARMLESS], **wrong),
        lambda: client.analyze_many([HARMLESS], **wrong),
        lambda: client.shield(HARMLESS, lambda: "answer", **wrong),
        lambda: list(client.stream_output([HARMLESS], **wrong)),
        lambda: Client("http://host").stream_output([HARMLESS], **wrong),
        lambda: with_async_client(lambda twin: twin.check_prompt(HARMLESS, **wrong)),
        lambda: with_async_client(lambda twin: twin.analyze_many([HARMLESS], **wrong)),
        # Only a single prompt has one before it: elsewhere it would be dropped, and nothing put back.
        lambda: client.check_output(HARMLESS, previous=None),
        lambda: client.analyze_prompts([HARMLESS], previous=None),
    ):
        with pytest.raises(TypeError, match=r"no such option: (threshold|polcy|previous); there are policy, "):
            call()


def test_one_text_is_not_several(client, with_async_client):
    for call in (
        lambda: client.analyze_prompts(ATTACK),  # letter by letter it would be harmless
        lambda: client.analyze_many(ATTACK),
        lambda: with_async_client(lambda twin: twin.analyze_many(ATTACK)),
        lambda: client.analyze_prompts({"a": ATTACK}),  # its key would be
        lambda: client.analyze_many({"a": ATTACK}),
    ):
        with pytest.raises(TypeError, match="several texts"):
            call()


def test_most_scripts_take_the_bytes_that_they_have_in_utf_8():
    with scripted(response(VALID)) as told, Client(told.url) as client:
        client.check_prompt("слово " * 100)
        assert told.bodies == [{"prompt": "слово " * 100}]
        assert "content-length: 1113" in told.heads[0].lower()  # 11 bytes a word


def test_the_request_id_is_passed_on(client):
    assert client.check_prompt(HARMLESS, request_id="mine-1").request_id == "mine-1"


def test_a_wrong_key_is_unauthorized(world):
    with in_process(world) as http, pytest.raises(Unauthorized) as caught:
        Client("http://testserver", "wrong", http_client=http).check_prompt(HARMLESS)
    assert (caught.value.status, caught.value.code) == (401, "unauthorized")


def test_a_text_that_is_no_string_or_no_text_is_an_invalid_request(client):
    for text in (None, 5, "", "\ud800"):
        with pytest.raises(InvalidRequest) as caught:
            client.check_prompt(text)
    assert caught.value.request_id


def test_an_analysis_shows_no_text_and_survives_pickling(client):
    analysis = client.check_prompt("Write to Ada about zebras")
    assert "zebras" not in repr(analysis)
    assert pickle.loads(pickle.dumps(analysis)) == analysis
    with pytest.raises(MaliciousPrompt) as caught:
        client.check_prompt(ATTACK)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert "Ignore all" not in str(caught.value) + repr(caught.value)


def test_nothing_is_logged_about_a_text(client, caplog):
    caplog.set_level(0)
    client.analyze_prompt(ATTACK + " zebras")
    client.analyze_output("zebras", prompt="zebras")
    assert "zebras" not in caplog.text


def test_the_real_server_answers_over_tcp_and_over_a_unix_socket(server_url, server_key):
    with Client(server_url, server_key) as client:
        assert client.check_prompt(HARMLESS).is_valid
        with pytest.raises(MaliciousPrompt, match="prompt_injection"):
            client.check_prompt(ATTACK)

    async def twin():
        async with AsyncClient(server_url, server_key) as client:
            assert (await client.check_prompt(HARMLESS)).is_valid
            with pytest.raises(MaliciousPrompt, match="prompt_injection"):
                await client.check_prompt(ATTACK)

    asyncio.run(twin())


def test_an_injected_http_client_is_left_open(server, server_key):
    with httpx2.Client() as http:
        with Client(server.url, server_key, http_client=http) as client:
            client.check_prompt(HARMLESS)
        assert not http.is_closed
    owner = Client(server.url, server_key)
    owner.close()
    with pytest.raises(RuntimeError, match="closed"):
        owner.check_prompt(HARMLESS)


def test_a_process_that_was_forked_has_connections_of_its_own(monkeypatch):
    with scripted(response(VALID)) as told, Client(told.url) as client:
        for _ in range(2):
            client.check_prompt(HARMLESS)
        assert told.connections == 1
        parent = client._http()
        monkeypatch.setattr(os, "getpid", lambda: -1)
        for _ in range(2):
            client.check_prompt(HARMLESS)
        assert told.connections == 2
        parent.close()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_asynchronous_client_serves_loops_that_come_and_go():
    with scripted(response(VALID)) as told:
        client = AsyncClient(told.url)
        for _ in range(3):
            assert asyncio.run(client.check_prompt(HARMLESS)).is_valid
        assert told.connections == 3
        assert len(client._pools) == 1  # those of loops that are closed are let go
        del client
        gc.collect()


def test_one_client_serves_many_threads_and_leaks_no_connection(server, server_key):
    errors, verdicts = [], []
    with Client(server.url, server_key) as client:

        def work(number):
            try:
                for turn in range(25):
                    text = ATTACK if (number + turn) % 5 == 0 else f"{HARMLESS} {number} {turn}"
                    analysis = client.analyze_prompt(text)
                    assert isinstance(analysis, PromptAnalysis)
                    verdicts.append(analysis.is_valid is (text is not ATTACK))
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        connections = client._http()._transport._pool.connections
        assert not errors
        assert verdicts == [True] * 800
        assert len(connections) <= 32
        assert all(connection.is_idle() for connection in connections)
        assert client.usage.as_dict()["calls"] == 800
        assert client.usage.as_dict()["block_rate"] == 0.2
