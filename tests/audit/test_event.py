import asyncio
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from scanner_service import evidence
from scanner_service.audit.event import Decision, event_of, fingerprint
from scanner_service.engine import Engine
from scanner_service.evidence import Evidence
from scanner_service.findings import Action, Finding, ScannerResult
from scanner_service.policy import Policy, Rule
from scanner_service.testing import FakeModels
from scanner_service.text import Span
from tests.conftest import WordScanner

KEY = b"a key of the tests of the audit log"


def test_an_event_says_what_was_decided(decide):
    decision = decide(at=datetime(2026, 11, 21, 12, 30, 0, 123456, UTC), item=2, trace_id="ab" * 16, cached=True)
    event = msgspec.json.decode(msgspec.json.encode(event_of(decision, KEY)))
    assert len(event.pop("id")) == 32
    assert event == {
        "time": "2026-11-21T12:30:00.123Z",
        "request_id": "r1",
        "trace_id": "ab" * 16,
        "route": "/analyze/prompt",
        "item": 2,
        "direction": "prompt",
        "key": "team",
        "policy": "default",
        "policy_digest": "d1",
        "verdict": "blocked",
        "cached": True,
        "characters": 6,
        "fingerprint": fingerprint("ATTACK", KEY),
        "scanners": {
            "attack": {"score": 0.9, "threshold": 0.5, "action": "block", "labels": ["INJECTION"], "error": None},
            "quiet": {"score": 0.1, "threshold": 0.5, "action": "allow", "labels": [], "error": None},
            "broken": {"score": None, "threshold": 0.5, "action": "allow", "labels": [], "error": "scanner_failed"},
        },
    }


def test_a_scan_that_did_not_end_is_an_error(decide):
    event = event_of(decide(results=(), error="deadline_exceeded"), KEY)
    assert (event.verdict, event.error, event.scanners) == ("error", "deadline_exceeded", {})


def test_a_fingerprint_can_be_made_by_who_has_the_key():
    assert fingerprint("é", KEY) == hmac.new(KEY, "é".encode(), hashlib.sha256).hexdigest()[:32]
    assert fingerprint("é", KEY) != fingerprint("é", KEY + b"!")


def test_no_two_events_have_the_same_id(decide):
    decision = decide()
    assert event_of(decision, KEY).id != event_of(decision, KEY).id


def test_what_is_no_label_is_not_told(decide):
    results = decide().results
    found = [Finding(label, 1.0, Span(0, 1)) for label in ("the text itself", "A\nB", "PERSON", "PERSON")]
    event = event_of(decide(results=(replace(results[0], findings=found),)), KEY)
    assert event.scanners["attack"].labels == ["OTHER", "PERSON"]


def told(result, text):
    decision = Decision(
        direction="prompt",
        route="/scan/prompt",
        item=None,
        key="team",
        policy=POLICY,
        request_id="r",
        trace_id="",
        text=text,
        results=result,
        at=datetime(2026, 11, 21, tzinfo=UTC),
    )
    return event_of(decision, KEY)


POLICY = Policy("default", "d1", (), ())
RULES = (
    Rule(name="person", kind="word", scanner=WordScanner("Ada", "PERSON"), action=Action.REDACT),
    Rule(name="attack", kind="word", scanner=WordScanner("Bob", "INJECTION"), action=Action.BLOCK),
)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=6), st.booleans(), st.booleans())
def test_no_six_characters_of_a_text_are_in_its_event(text, person, attack):
    text = text.replace("Ada", "").replace("Bob", "") + "Ada" * person + "Bob" * attack

    async def scan(of):
        engine = Engine(FakeModels({}), 10)
        try:
            return (await engine.scan(RULES, of)).results
        finally:
            engine.close()

    results = asyncio.run(scan(text))
    event = told(results, text)
    line = msgspec.json.encode(event).decode()
    decoded = str(msgspec.to_builtins(event))
    # Words of every event, such as `prompt`, may be words of a text too.
    fixed = msgspec.json.encode(told(results, "-")).decode()
    for at in range(len(text) - 5):
        piece = text[at : at + 6]
        assert piece in fixed or (piece not in line and piece not in decoded), repr(piece)
    # And more: but for its length and fingerprint, the event does not depend on the text at all.
    other = "Ada" * person + "Bob" * attack + "-" * (len(text) - 3 * (person + attack))
    same = told(asyncio.run(scan(other)), other)
    varying = {"id": "", "fingerprint": ""}
    assert msgspec.structs.replace(event, **varying) == msgspec.structs.replace(same, **varying)


@pytest.mark.parametrize(("of", "error", "kept"), [("blocked", "", True), ("blocked", "x", False), ("all", "x", True)])
def test_evidence_is_sealed_for_its_reader_and_bound_to_its_event(decide, of, error, kept):
    key = X25519PrivateKey.generate()
    event = event_of(decide("ATTACK é", Evidence(key.public_key(), of), error=error), KEY)
    assert (event.evidence is not None) is kept
    if event.evidence is not None:
        assert evidence.unseal(event.evidence.sealed, key, event.id) == "ATTACK é"
        assert event.evidence.characters == event.characters
        assert "ATTACK" not in msgspec.json.encode(event).decode()


def test_evidence_of_a_valid_text_is_kept_only_if_all_are(decide):
    key, valid = X25519PrivateKey.generate().public_key(), (ScannerResult("a", "word", 0.1, 0.5, Action.ALLOW),)
    assert event_of(decide(evidence=Evidence(key), results=valid), KEY).evidence is None
    assert event_of(decide(evidence=Evidence(key, "all"), results=valid), KEY).evidence is not None


def test_evidence_of_a_long_text_says_how_much_there_is(decide):
    text = "a" * (evidence.MAX_CHARACTERS + 7)
    event = event_of(decide(text, Evidence(X25519PrivateKey.generate().public_key())), KEY)
    assert event.evidence is not None
    assert (event.characters, event.evidence.characters) == (evidence.MAX_CHARACTERS + 7, evidence.MAX_CHARACTERS)


def test_an_event_names_so_many_labels_of_a_rule_and_no_more(decide):
    labels = [f"LABEL_{number:03}" for number in range(200)]
    found = [Finding(label, 1.0, Span(0, 1)) for label in labels]
    event = event_of(decide(results=(replace(decide().results[0], findings=found),)), KEY)
    assert event.scanners["attack"].labels == labels[:64]
