import asyncio
import json
import threading

import httpx2
import pytest

from scanner_service.errors import DeadlineExceeded, Overloaded
from scanner_service.findings import Action
from scanner_service.http import scans, streams
from scanner_service.policy import Policy, Rule
from scanner_service.restore import restore
from scanner_service.stream import StreamScanner
from scanner_service.substitutes import Substitutes
from scanner_service.vault import Vault
from tests.http.conftest import KEY, TIED_KEY, VAULT_SECRET, Broken

REFUSAL = {"is_valid": False, "blocked": True, "scanners": {}, "sanitized_prompt": ""}
SCANS = ["/analyze/prompt", "/analyze/output", "/scan/prompt", "/scan/output"]


def body_for(path, text="fine", **more):
    return ({"prompt": "", "output": text} if path.endswith("output") else {"prompt": text}) | more


def assert_refused(response, status, code, path=None):
    answer = response.json()
    assert (response.status_code, answer["error"]["code"]) == (status, code)
    assert answer.items() >= REFUSAL.items()
    assert answer["request_id"] == response.headers["x-request-id"]
    if path is not None:
        assert f"`{path}`" in answer["error"]["message"]


def test_an_attack_is_blocked_and_the_answer_says_where(client):
    answer = client.post("/analyze/prompt", json={"prompt": "an ATTACK!"}).json()
    assert (answer["is_valid"], answer["blocked"]) == (False, True)
    assert answer["message"] == "attack: INJECTION at 3–9"
    assert answer["scanners"] == {"attack": 1.0, "person": -1.0, "quiet": -1.0}
    result = answer["results"][0]
    assert result.pop("duration_ms") >= 0
    assert result == {
        "scanner": "attack",
        "kind": "word",
        "score": 1.0,
        "threshold": 0.5,
        "triggered": True,
        "action": "block",
        "findings": [{"label": "INJECTION", "score": 1.0, "start": 3, "end": 9, "view": "raw"}],
        "error": None,
    }
    assert (answer["policy"], answer["policy_digest"]) == ("default", "d1")


def test_a_text_that_was_only_redacted_is_valid(client):
    answer = client.post("/analyze/prompt", json={"prompt": "I am Ada."}).json()
    assert (answer["is_valid"], answer["blocked"]) == (True, False)
    assert answer["sanitized_prompt"] == "I am [PERSON_1]."
    assert answer["message"] == "person: PERSON at 5–8"


def test_a_rule_that_monitors_is_reported_and_counted_and_changes_nothing(world, word_rule):
    rules = (word_rule("Ada", Action.MONITOR, name="watched", label="PERSON"),)
    world.policies["default"] = Policy("default", "d", rules, rules)
    answer = world.client.post("/analyze/prompt", json={"prompt": "I am Ada."}).json()
    assert (answer["is_valid"], answer["sanitized_prompt"], answer["scanners"]) == (True, "I am Ada.", {"watched": 1.0})
    assert (answer["results"][0]["triggered"], answer["results"][0]["action"]) == (True, "monitor")
    counted = 'scanner_triggered_total{action="monitor",label="PERSON",policy="default",scanner="watched"} 1.0'
    assert counted in world.client.get("/metrics").text


def test_outputs_are_sanitized_under_their_own_name(client):
    answer = client.post("/analyze/output", json={"prompt": "", "output": "It is Ada."}).json()
    assert answer["sanitized_output"] == "It is [PERSON_1]."
    assert "sanitized_prompt" not in answer


@pytest.mark.parametrize("path", ["/scan/prompt", "/scan/output"])
def test_scanning_gives_no_text_back(client, path):
    answer = client.post(path, json=body_for(path, "I am Ada.")).json()
    assert answer["is_valid"] is True
    assert not {"sanitized_prompt", "sanitized_output", "vault"} & set(answer)
    assert "Ada" not in json.dumps(answer)


@pytest.mark.parametrize("path", ["/scan/prompt", "/scan/output"])
def test_scanning_stops_at_the_first_block_when_asked(client, path):
    errors = [
        one["error"] for one in client.post(path, json=body_for(path, "ATTACK", fail_fast=True)).json()["results"]
    ]
    assert errors == [None, "skipped", "skipped"]
    errors = [one["error"] for one in client.post(path, json=body_for(path, "ATTACK")).json()["results"]]
    assert errors == [None, None, None]


def test_a_rule_that_could_not_run_is_a_result_with_a_code(client, caplog):
    answer = client.post("/analyze/prompt", json={"prompt": "secret words", "policy": "broken"}).json()
    assert answer["is_valid"] is False
    assert answer["message"] == "broken: scanner_failed"
    assert (answer["results"][0]["score"], answer["results"][0]["error"]) == (None, "scanner_failed")
    assert "secret words" not in caplog.text


def test_an_excused_rule_has_no_risk(make_world, policies):
    rule = Rule(name="broken", kind="test", scanner=Broken(), action=Action.BLOCK, on_error=Action.ALLOW)
    policies["default"] = Policy("default", "d", (rule,), (rule,))
    answer = make_world().client.post("/analyze/prompt", json={"prompt": "a"}).json()
    assert (answer["is_valid"], answer["scanners"]) == (True, {})


@pytest.mark.parametrize("path", SCANS)
@pytest.mark.parametrize("headers", [{"authorization": "Bearer wrong"}, {"authorization": ""}])
def test_a_wrong_credential_is_refused_before_the_body_is_looked_at(client, path, headers):
    response = client.post(path, content=b"not json", headers=headers)
    assert_refused(response, 401, "unauthorized")


@pytest.mark.parametrize("path", SCANS)
def test_every_error_of_a_scan_reads_as_a_refusal(client, path):
    for content, status, code in [
        (b"not json", 400, "malformed"),
        (b"[" * 100_000, 400, "malformed"),
        (b"{}", 422, "invalid_request"),
        (b'{"prompt": "a", "output": "b", "surprise": 1}', 422, "invalid_request"),
    ]:
        response = client.post(path, content=content, headers={"content-type": "application/json"})
        assert_refused(response, status, code)
        assert ("sanitized_output" in response.json()) is path.endswith("output")
    assert_refused(client.post(path, content=b"{}"), 415, "unsupported_media_type")
    assert_refused(client.get(path), 405, "method_not_allowed")
    assert_refused(client.post(path + "/", json=body_for(path)), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/analyze/prompt", {"prompt": ""}, "$.prompt"),
        ("/analyze/prompt", {"prompt": " \n\t"}, "$.prompt"),
        ("/scan/prompt", {"prompt": ""}, "$.prompt"),
        ("/analyze/output", {"prompt": "", "output": ""}, "$.output"),
        ("/scan/output", {"prompt": "a", "output": " "}, "$.output"),
        ("/analyze/prompt", {"prompt": "a", "policy": "unheard"}, "$.policy"),
        ("/analyze/prompts", {"prompts": []}, "$.prompts"),
        ("/analyze/prompts", {"prompts": "a"}, "$.prompts"),
    ],
)
def test_a_wrong_field_is_named(client, path, body, field):
    assert_refused(client.post(path, json=body), 422, "invalid_request", field)


@pytest.mark.parametrize("path", SCANS)
def test_half_a_surrogate_pair_is_a_wrong_field(client, path):
    content = json.dumps(body_for(path, "x\ud800")).encode()
    response = client.post(path, content=content, headers={"content-type": "application/json"})
    assert_refused(response, 422, "invalid_request", "$.output" if path.endswith("output") else "$.prompt")


def test_the_character_zero_is_scanned_and_kept(client):
    answer = client.post("/analyze/prompt", json={"prompt": "\x00Ada\x00"}).json()
    assert answer["sanitized_prompt"] == "\x00[PERSON_1]\x00"


def test_an_optional_rule_may_be_suppressed(client):
    body = {"prompt": "whisper", "scanners_suppress": ["quiet"]}
    answer = client.post("/analyze/prompt", json=body).json()
    assert answer["is_valid"] is True
    assert "quiet" not in answer["scanners"]


@pytest.mark.parametrize("name", ["attack", "person", "unheard", "Attack", "", "*"])
def test_anything_else_may_not(client, name):
    body = {"prompt": "ATTACK", "scanners_suppress": ["quiet", name]}
    assert_refused(client.post("/analyze/prompt", json=body), 403, "forbidden", "$.scanners_suppress[1]")


def test_a_chain_is_not_suppressed_to_nothing(client):
    body = {"prompt": "whisper", "policy": "optional", "scanners_suppress": ["quiet"]}
    assert_refused(client.post("/analyze/prompt", json=body), 403, "forbidden", "$.scanners_suppress")


def test_a_tied_key_uses_its_own_policy_and_no_other(client):
    tied = {"authorization": f"Bearer {TIED_KEY}"}
    assert client.post("/analyze/prompt", json={"prompt": "a"}, headers=tied).json()["policy"] == "mild"
    for policy in ("default", "unheard"):
        response = client.post("/analyze/prompt", json={"prompt": "a", "policy": policy}, headers=tied)
        assert_refused(response, 403, "forbidden", "$.policy")


def test_a_token_that_was_never_sealed_is_refused(client):
    response = client.post("/analyze/output", json={"prompt": "", "output": "a", "vault": "v1.made-up"})
    assert_refused(response, 400, "invalid_vault_token")


def test_what_was_redacted_comes_back_with_the_output(client):
    asked = client.post("/analyze/prompt", json={"prompt": "Ada wrote"}).json()
    assert asked["sanitized_prompt"] == "[PERSON_1] wrote"
    output = {"prompt": "", "output": "Dear person_1, [PERSON_2]", "vault": asked["vault"]}
    assert client.post("/analyze/output", json=output).json()["sanitized_output"] == "Dear Ada, [PERSON_2]"


def test_there_is_no_token_where_there_is_nothing_to_put_back(client):
    assert client.post("/analyze/prompt", json={"prompt": "nobody"}).json()["vault"] is None


def test_a_token_can_be_extended_over_a_conversation(make_world, word_rule):
    chain = [word_rule(name, Action.REDACT, name=name.lower(), label="PERSON") for name in ("Ada", "Bob")]
    world = make_world()
    world.policies["default"] = Policy("default", "d", chain, chain)
    client = world.client
    first = client.post("/analyze/prompt", json={"prompt": "Bob"}).json()
    second = client.post("/analyze/prompt", json={"prompt": "Ada and Bob", "vault": first["vault"]}).json()
    assert second["sanitized_prompt"] == "[PERSON_2] and [PERSON_1]"
    output = {"prompt": "", "output": "[PERSON_1] [PERSON_2] Ada", "vault": second["vault"]}
    assert client.post("/analyze/output", json=output).json()["sanitized_output"] == "Bob Ada Ada"


def test_a_token_of_another_credential_is_refused(client):
    token = client.post("/analyze/prompt", json={"prompt": "Ada"}).json()["vault"]
    tied = {"authorization": f"Bearer {TIED_KEY}"}
    response = client.post("/analyze/output", json={"prompt": "", "output": "a", "vault": token}, headers=tied)
    assert_refused(response, 400, "invalid_vault_token")


def test_a_body_over_the_limit_is_refused(make_world):
    client = make_world(limits={"max_body_bytes": 100}).client
    assert_refused(client.post("/analyze/prompt", json={"prompt": "a" * 100}), 413, "request_too_large")


def test_a_batch_answers_in_order_and_one_bad_item_spoils_nothing(client):
    prompts = ["fine", "", 3, "an ATTACK", "\ud800", None, "I am Ada"]
    content = json.dumps({"prompts": prompts}).encode()
    response = client.post("/analyze/prompts", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 200
    results = response.json()["results"]
    assert [one["is_valid"] for one in results] == [True, False, False, False, False, False, True]
    for index in (1, 2, 4, 5):
        assert results[index].items() >= REFUSAL.items()
        assert f"`$.prompts[{index}]`" in results[index]["error"]["message"]
    assert results[3]["message"] == "attack: INJECTION at 3–9"
    assert results[6]["sanitized_prompt"] == "I am [PERSON_1]"


def test_a_batch_over_the_limit_is_refused_whole(make_world):
    client = make_world(limits={"max_batch_items": 2}).client
    assert_refused(client.post("/analyze/prompts", json={"prompts": ["a"] * 3}), 413, "request_too_large", "$.prompts")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Overloaded("full"), "overloaded"),
        (DeadlineExceeded("late"), "deadline_exceeded"),
        (KeyError("x"), "internal_error"),
    ],
)
def test_what_happens_to_one_item_is_its_own_answer(world, monkeypatch, caplog, error, code):
    scan = world.engine.scan

    async def sometimes(rules, text, **settings):
        if text == "secret words":
            raise error
        return await scan(rules, text, **settings)

    monkeypatch.setattr(world.engine, "scan", sometimes)
    results = world.client.post("/analyze/prompts", json={"prompts": ["a", "secret words", "b"]}).json()["results"]
    assert [one["is_valid"] for one in results] == [True, False, True]
    assert results[1]["error"]["code"] == code
    assert "secret words" not in caplog.text


def test_a_bug_is_an_answer_too_and_its_message_goes_nowhere(world, monkeypatch, caplog):
    async def fail(*args, **settings):
        raise RuntimeError("secret words")

    monkeypatch.setattr(world.engine, "scan", fail)
    response = world.client.post("/analyze/prompt", json={"prompt": "secret words"})
    assert_refused(response, 500, "internal_error")
    assert "secret words" not in response.text + caplog.text
    assert "RuntimeError" in str([vars(record) for record in caplog.records])


def test_a_request_too_many_is_turned_away_at_once(make_world, policies):
    class Sleeping:
        needs = ()

        def scan(self, text, context):
            begun.set()
            go_on.wait(10)
            return ()

    begun, go_on = threading.Event(), threading.Event()
    rule = Rule(name="slow", kind="test", scanner=Sleeping(), action=Action.BLOCK)
    policies["default"] = Policy("default", "d", (rule,), (rule,))
    world = make_world(limits={"max_concurrent_requests": 1, "retry_after_seconds": 3})

    async def run():
        transport = httpx2.ASGITransport(app=world.app)
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            first = asyncio.create_task(client.post("/analyze/prompt", json={"prompt": "a"}))
            await asyncio.to_thread(begun.wait)
            second = await client.post("/analyze/prompt", json={"prompt": "a"})
            go_on.set()
            return await first, second

    first, second = asyncio.run(run())
    assert first.status_code == 200
    assert_refused(second, 503, "overloaded")
    assert second.headers["retry-after"] == "3"


def test_many_findings_are_all_told(client):
    answer = client.post("/analyze/prompt", json={"prompt": "Ada " * 1000}).json()
    assert len(answer["results"][1]["findings"]) == 1000
    assert answer["message"].endswith("PERSON at 8–11 and 997 more")


def test_a_long_body_is_scanned_to_its_end(client):
    answer = client.post("/analyze/prompt", json={"prompt": "a " * 200_000 + "ATTACK"}).json()
    assert answer["results"][0]["findings"][0]["end"] == 400_006


def test_a_risk_just_under_the_threshold_is_written_as_negative(make_world, word_rule):
    chain = [word_rule("ATTACK", name="attack", score=0.5 - 1e-9, threshold=0.5)]
    world = make_world()
    world.policies["default"] = Policy("default", "d", chain, chain)
    answer = world.client.post("/analyze/prompt", json={"prompt": "ATTACK"}).json()
    assert answer["scanners"]["attack"] == -1e-06
    assert answer["is_valid"] is True


def test_a_credential_over_its_rate_is_turned_away_and_told_when_to_come_back(make_world):
    client = make_world(limits={"requests_per_minute": 2}).client
    answers = [client.post("/analyze/prompt", json={"prompt": "a"}) for _ in range(3)]
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    assert_refused(answers[2], 429, "rate_limited")
    assert 29 <= int(answers[2].headers["retry-after"]) <= 30
    tied = {"authorization": f"Bearer {TIED_KEY}"}
    assert client.post("/analyze/prompt", json={"prompt": "a"}, headers=tied).status_code == 200


def test_every_item_of_a_batch_counts_and_a_batch_over_the_rate_is_refused_whole(make_world):
    client = make_world(keys={"test": {"requests_per_minute": 6}}).client
    assert client.post("/analyze/prompts", json={"prompts": ["a"] * 4}).status_code == 200
    refused = client.post("/analyze/prompts", json={"prompts": ["a"] * 4})
    assert_refused(refused, 429, "rate_limited")
    assert 29 <= int(refused.headers["retry-after"]) <= 30
    assert_refused(client.post("/analyze/prompts", json={"prompts": ["a"] * 7}), 413, "request_too_large")


def test_a_stream_counts_as_one_request(make_world):
    client = make_world(limits={"requests_per_minute": 1}).client
    lines = b'{"prompt": ""}\n{"delta": "a "}\n{"delta": "b "}\n'
    headers = {"content-type": "application/x-ndjson"}
    answers = [client.post("/analyze/output/stream", content=lines, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]


def test_a_text_that_comes_again_has_the_same_verdict_and_a_token_of_its_own(client):
    first, second = (client.post("/analyze/prompt", json={"prompt": "I am Ada."}).json() for _ in range(2))
    assert [one["duration_ms"] for one in second["results"]] == [0, 0, 0]
    for answer in (first, second):
        for one in answer["results"]:
            one["duration_ms"] = 0
    unique = ("vault", "request_id")
    assert {k: v for k, v in first.items() if k not in unique} == {k: v for k, v in second.items() if k not in unique}
    assert first["vault"] != second["vault"]
    for answer in (first, second):
        body = {"prompt": "", "output": "Dear [PERSON_1]", "vault": answer["vault"]}
        assert client.post("/analyze/output", json=body).json()["sanitized_output"] == "Dear Ada"
    assert 'scanner_verdict_cache_lookups_total{level="memory",outcome="hit"}' in client.get("/metrics").text


def test_another_credential_gets_the_same_verdict_and_its_own_token(make_world):
    client = make_world(keys={}).client
    tied = {"authorization": f"Bearer {TIED_KEY}"}
    mine = client.post("/analyze/prompt", json={"prompt": "I am Ada."}).json()
    theirs = client.post("/analyze/prompt", json={"prompt": "I am Ada."}, headers=tied).json()
    assert mine["scanners"] == theirs["scanners"]
    body = {"prompt": "", "output": "Dear [PERSON_1]", "vault": mine["vault"]}
    assert_refused(client.post("/analyze/output", json=body, headers=tied), 400, "invalid_vault_token")
    answer = client.post("/analyze/output", json=body | {"vault": theirs["vault"]}, headers=tied).json()
    assert answer["sanitized_output"] == "Dear Ada"
    assert 'outcome="hit"' not in client.get("/metrics").text


@pytest.mark.parametrize("changed", ["policy", "direction"])
def test_a_verdict_of_another_chain_of_the_same_names_is_not_remembered(world, word_rule, changed):
    def chain(word):
        return (word_rule(word, name="one"),)

    text = "the second text"
    world.policies["default"] = Policy("default", "before", chain("first"), chain("second"))
    assert world.client.post("/scan/prompt", json={"prompt": text}).json()["is_valid"] is True
    if changed == "policy":  # as a reload does it
        world.policies["default"] = Policy("default", "after", chain("second"), chain("second"))
        answer = world.client.post("/scan/prompt", json={"prompt": text})
    else:
        answer = world.client.post("/scan/output", json={"prompt": "", "output": text})
    assert answer.json()["is_valid"] is False


@pytest.mark.parametrize(
    ("values", "length", "aside"),
    [
        (9, 10, set()),
        (5_000, 10, {"open", "prepare", "seal", "restore", "edit"}),
        (1, 9_000, {"seal", "restore", "edit"}),
    ],
)
def test_what_a_large_token_holds_is_no_work_for_the_event_loop(client, monkeypatch, values, length, aside):
    seen = []

    def noting(name, work):
        def noted(*arguments, **named):
            seen.append((name, not in_event_loop()))
            return work(*arguments, **named)

        return noted

    known = {f"[PERSON_{number}]": f"value {number}".ljust(length, "x") for number in range(1, values + 1)}
    token = Vault([VAULT_SECRET], 60).seal(known, "test")
    monkeypatch.setattr(Vault, "open", noting("open", Vault.open))
    monkeypatch.setattr(Vault, "seal", noting("seal", Vault.seal))
    monkeypatch.setattr(scans, "Substitutes", noting("prepare", Substitutes))
    monkeypatch.setattr(scans, "restore", noting("restore", restore))
    prompt = client.post("/analyze/prompt", json={"prompt": "Ada", "vault": token})
    assert prompt.json()["sanitized_prompt"] == f"[PERSON_{values + 1}]"
    output = client.post("/analyze/output", json={"prompt": "", "output": "[PERSON_1]", "vault": token})
    assert output.json()["sanitized_output"] == known["[PERSON_1]"]
    names = ["open", "prepare", "seal", "open", "prepare", "restore"]
    assert seen == [(name, name in aside) for name in names]

    seen.clear()
    monkeypatch.setattr(streams, "StreamScanner", noting("prepare", StreamScanner))
    monkeypatch.setattr(StreamScanner, "_edit", noting("edit", StreamScanner._edit))
    lines = [json.dumps(line) for line in ({"vault": token}, {"delta": "[PERSON_1]!"})]
    headers = {"content-type": "application/x-ndjson"}
    stream = client.post("/analyze/output/stream", content="\n".join(lines), headers=headers)
    assert json.loads(stream.text.splitlines()[0])["text"] == known["[PERSON_1]"] + "!"
    assert seen == [(name, name in aside) for name in ("open", "prepare", "edit")]


def in_event_loop():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
