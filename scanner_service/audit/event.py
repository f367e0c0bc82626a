"""What is recorded of a decision. Nothing in it is made of the text, but for a keyed hash, and a seal if asked for."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from scanner_service import evidence
from scanner_service.findings import ScannerResult
from scanner_service.metrics import LABEL
from scanner_service.policy import Policy

FINGERPRINT_DIGITS = 32  # 128 bits: more would not tell more texts apart

MAX_LABELS = 64  # of one rule, in one event


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """
    One text, what was decided about it, and for whom.

    Attributes:
        direction: `prompt` or `output`.
        route: the path that was called.
        item: the place in a batch, from 0; None outside of one.
        key: the name of the key.
        policy: what judged.
        request_id: of the request.
        trace_id: of the trace that it belongs to, or empty.
        text: what was scanned.
        results: what the rules said; none if the scan did not end.
        error: the code of what kept it from ending; empty if nothing did.
        cached: whether the verdict came from memory.
        at: when.
    """

    direction: str
    route: str
    item: int | None
    key: str
    policy: Policy
    request_id: str
    trace_id: str
    text: str
    results: Sequence[ScannerResult] = ()
    error: str = ""
    cached: bool = False
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def verdict(self) -> str:
        """`valid`, `blocked` or `error`."""
        return "error" if self.error else "blocked" if any(one.blocks for one in self.results) else "valid"


class Scanned(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule said; see `findings.ScannerResult`. `labels` are those that reached their thresholds."""

    score: float | None
    threshold: float
    action: str
    labels: list[str]
    error: str | None


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """The text, or its first `characters`, for the holder of a private key; bound to the id of its event."""

    characters: int
    sealed: str


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A decision as it is recorded; `docs/audit.md` says what each field means."""

    time: str
    id: str
    request_id: str
    trace_id: str = ""
    route: str
    item: int | None = None
    direction: str
    key: str
    policy: str
    policy_digest: str
    verdict: str
    error: str = ""
    cached: bool
    characters: int
    fingerprint: str
    scanners: Mapping[str, Scanned]
    evidence: Sealed | None = None


def event_of(decision: Decision, key: bytes) -> Event:
    """What is recorded of *decision*, with a fingerprint under *key*."""
    id_ = uuid.uuid4().hex
    return Event(
        time=decision.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        id=id_,
        request_id=decision.request_id,
        trace_id=decision.trace_id,
        route=decision.route,
        item=decision.item,
        direction=decision.direction,
        key=decision.key,
        policy=decision.policy.name,
        policy_digest=decision.policy.digest,
        verdict=decision.verdict,
        error=decision.error,
        cached=decision.cached,
        characters=len(decision.text),
        fingerprint=fingerprint(decision.text, key),
        scanners={one.scanner: _scanned(one) for one in decision.results},
        evidence=_sealed(decision, id_),
    )


def fingerprint(text: str, key: bytes) -> str:
    """The same for the same text, and of no use without *key*: the first half of an HMAC-SHA256, in hexadecimal."""
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()[:FINGERPRINT_DIGITS]


def _scanned(one: ScannerResult) -> Scanned:
    # A scanner from elsewhere could make a label of anything.
    labels = sorted({found.label if LABEL.fullmatch(found.label) else "OTHER" for found in one.findings})
    return Scanned(
        score=one.score,
        threshold=one.threshold,
        action=one.action.value,
        labels=labels[:MAX_LABELS],
        error=one.error,
    )


def _sealed(decision: Decision, id_: str) -> Sealed | None:
    kept = decision.policy.evidence
    if kept is None or (kept.of == "blocked" and decision.verdict != "blocked"):
        return None
    characters = min(len(decision.text), evidence.MAX_CHARACTERS)
    return Sealed(characters=characters, sealed=evidence.seal(decision.text, kept.public_key, id_))
