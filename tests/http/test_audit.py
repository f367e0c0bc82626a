import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from scanner_service.audit.event import fingerprint
from scanner_service.audit.record import Audit
from scanner_service.errors import DeadlineExceeded, Overloaded
from scanner_service.evidence import Evidence, unseal
from scanner_service.findings import Action
from scanner_service.policy import Policy
from tests.audit.test_record import KEY, Memory
from tests.http.test_scans import SCANS, assert_refused, body_for
from tests.http.test_streams import PATH as STREAM
from tests.http.test_streams import body, lines_of, post


class Audited:
    """A client, and the events of what it asked for."""

    def __init__(self, make_world, *, required=True, **settings):
        self.sink = Memory()
        self.audit = Audit(self.sink, KEY, required=required, on_failure=lambda reason, count: None)
        self.world = make_world(audit=self.audit, **settings)
        self.client = self.world.client

    @property
    def events(self):
        """All of them; nothing can be asked afterwards."""
        asyncio.run(self.audit.aclose())
        return self.sink.events


@pytest.fixture
def audited(make_world):
    return Audited(make_world)


@pytest.mark.parametrize("path", SCANS)
def test_every_scan_has_an_event_whatever_comes_of_it(audited, path):
    answers = [
        audited.client.post(path, json=body_for(path, text), headers={"x-request-id": f"r{at}"}).json()
        for at, text in enumerate(["fine", "ATTACK", "Ada"])
    ]
    events = audited.events
    assert [event.request_id for event in events] == ["r0", "r1", "r2"]
    assert [event.verdict for event in events] == ["valid", "blocked", "valid"]
    for event, answer, text in zip(events, answers, ["fine", "ATTACK", "Ada"], strict=True):
        assert (event.route, event.direction) == (path, path.rpartition("/")[2])
        assert (event.key, event.policy, event.policy_digest) == ("test", "default", answer["policy_digest"])
        assert (event.fingerprint, event.characters) == (fingerprint(text, KEY), len(text))
        assert list(event.scanners) == [result["scanner"] for result in answer["results"]]
        assert (event.item, event.trace_id, event.cached) == (None, "", False)
    assert events[2].scanners["person"].action == "redact"
    assert events[2].scanners["person"].labels == ["PERSON"]


def test_every_item_of_a_batch_has_an_event_with_its_place(audited):
    audited.client.post("/analyze/prompts", json={"prompts": ["fine", 7, "ATTACK", "fine again"]})
    events = sorted(audited.events, key=lambda event: event.item)
    assert [(event.item, event.verdict) for event in events] == [(0, "valid"), (2, "blocked"), (3, "valid")]
    assert len({event.request_id for event in events}) == 1
    assert {event.route for event in events} == {"/analyze/prompts"}


def test_a_verdict_from_memory_has_an_event_that_says_so(audited):
    for _ in range(2):
        audited.client.post("/analyze/prompt", json={"prompt": "ATTACK"})
    first, second = audited.events
    assert (first.cached, second.cached) == (False, True)
    assert (first.fingerprint, first.scanners) == (second.fingerprint, second.scanners)


@pytest.mark.parametrize(
    ("lines", "verdict", "text"),
    [
        ([{"prompt": "who?"}, {"delta": "It was A"}, {"delta": "da."}], "valid", "It was Ada."),
        ([{}, {"delta": "ATT"}, {"delta": "ACK"}], "blocked", "ATTACK"),
    ],
)
def test_a_stream_has_one_event_at_its_end(audited, lines, verdict, text):
    lines_of(post(audited.client, *lines))
    (event,) = audited.events
    assert (event.route, event.direction, event.verdict) == (STREAM, "output", verdict)
    assert (event.fingerprint, event.characters) == (fingerprint(text, KEY), len(text))


def test_a_stream_that_fails_has_an_event_with_the_code(audited):
    assert lines_of(post(audited.client, {}, {"delta": "word " * 120}, {"surprise": 1}))[-1]["error"]
    (event,) = audited.events
    assert (event.verdict, event.error, event.characters) == ("error", "invalid_request", 600)


@pytest.mark.parametrize(
    ("error", "code"), [(DeadlineExceeded("late"), "deadline_exceeded"), (Overloaded("full"), "overloaded")]
)
@pytest.mark.parametrize("path", SCANS)
def test_a_scan_that_did_not_end_has_an_event_with_the_code(audited, monkeypatch, path, error, code):
    async def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(audited.world.engine, "scan", fail)
    assert audited.client.post(path, json=body_for(path)).status_code in (503, 504)
    (event,) = audited.events
    assert (event.verdict, event.error, event.scanners) == ("error", code, {})


def test_a_rule_that_could_not_run_is_in_the_event_of_its_scan(audited):
    audited.client.post("/analyze/prompt", json={"prompt": "fine", "policy": "broken"})
    (event,) = audited.events
    assert (event.verdict, event.scanners["broken"].error) == ("blocked", "scanner_failed")


@pytest.mark.parametrize("path", SCANS)
def test_what_is_refused_before_the_scan_is_no_decision(audited, path):
    for settings in ({"headers": {"authorization": "Bearer wrong"}}, {}):
        assert audited.client.post(path, json={}, **settings).status_code in (401, 422)
    forbidden = body_for(path, scanners_suppress=["attack"])
    assert audited.client.post(path, json=forbidden).status_code == 403
    assert audited.events == []


@pytest.mark.parametrize("path", SCANS)
def test_a_decision_that_must_be_recorded_and_cannot_be_is_not_given(audited, path):
    audited.sink.error = OSError(28, "No space left on device")
    response = audited.client.post(path, json=body_for(path))
    assert_refused(response, 503, "audit_failed")
    assert response.headers["retry-after"] == "1"


def test_an_item_that_must_be_recorded_and_cannot_be_is_an_error(audited):
    audited.sink.error = OSError(28, "No space left on device")
    answers = audited.client.post("/analyze/prompts", json={"prompts": ["fine", "good"]}).json()["results"]
    assert [(answer["error"]["code"], answer["is_valid"]) for answer in answers] == [("audit_failed", False)] * 2


def test_a_stream_that_must_be_recorded_and_cannot_be_has_no_verdict(audited):
    audited.sink.error = OSError(28, "No space left on device")
    last = lines_of(post(audited.client, {}, {"delta": "fine"}))[-1]
    assert (last["error"]["code"], last["is_valid"]) == ("audit_failed", False)


@pytest.mark.parametrize("path", SCANS)
def test_a_decision_that_need_not_be_recorded_is_given(make_world, path):
    audited = Audited(make_world, required=False)
    audited.sink.error = OSError(28, "No space left on device")
    assert audited.client.post(path, json=body_for(path)).json()["is_valid"] is True


def test_evidence_is_kept_of_the_policy_that_wants_it_only(audited, word_rule):
    key, rules = X25519PrivateKey.generate(), (word_rule("ATTACK", Action.BLOCK),)
    audited.world.policies["kept"] = Policy("kept", "d", rules, rules, evidence=Evidence(key.public_key()))
    for policy in ("default", "kept"):
        audited.client.post("/analyze/output", json=body_for("output", "an ATTACK é", policy=policy))
        audited.client.post("/analyze/output", json=body_for("output", "fine", policy=policy))
    audited.client.post(
        STREAM,
        content=body({"policy": "kept"}, {"delta": "AT"}, {"delta": "TACK"}),
        headers={"content-type": "application/x-ndjson"},
    )
    events = audited.events
    assert [event.evidence is not None for event in events] == [False, False, True, False, True]
    assert unseal(events[2].evidence.sealed, key, events[2].id) == "an ATTACK é"
    assert unseal(events[4].evidence.sealed, key, events[4].id) == "ATTACK"


def test_the_trace_of_a_request_is_in_its_event(audited, monkeypatch):
    monkeypatch.setattr("scanner_service.http.scans.exchange", lambda scope: traced(scope["exchange"]))
    audited.client.post("/analyze/prompt", json={"prompt": "fine"})
    assert audited.events[0].trace_id == "ab" * 16


def traced(here):
    here.trace_id = "ab" * 16
    return here


def test_nothing_of_a_text_is_in_the_events_of_any_endpoint(audited):
    text = "kedgeree ATTACK Ada zephyrous"
    for path in SCANS:
        audited.client.post(path, json=body_for(path, text, policy="broken"))
        audited.client.post(path, json=body_for(path, text))
    token = audited.client.post("/analyze/prompt", json={"prompt": "Ada kedgeree"}).json()["vault"]
    audited.client.post("/analyze/output", json={"prompt": text, "output": "kedgeree [PERSON_1]", "vault": token})
    audited.client.post("/analyze/prompts", json={"prompts": [text]})
    post(audited.client, {"prompt": text}, {"delta": text})
    written = str(audited.events)
    assert len(audited.sink.events) == 12
    for word in ("kedge", "zephyr", "Ada", "ATTACK", token[:20]):
        assert word not in written
