import pytest

from scanner_service.audit.event import Decision
from scanner_service.findings import Action, Finding, ScannerResult
from scanner_service.policy import Policy
from scanner_service.text import Span


@pytest.fixture
def decide():
    """Makes the decision that blocks a text."""

    def make(text="ATTACK", evidence=None, **settings):
        policy = Policy("default", "d1", (), (), evidence=evidence)
        found = (Finding("INJECTION", 0.9, Span(0, len(text))),)
        results = (
            ScannerResult("attack", "word", 0.9, 0.5, Action.BLOCK, found, duration_ms=1.5),
            ScannerResult("quiet", "word", 0.1, 0.5, Action.ALLOW),
            ScannerResult("broken", "word", None, 0.5, Action.ALLOW, error="scanner_failed"),
        )
        given = {
            "direction": "prompt",
            "route": "/analyze/prompt",
            "item": None,
            "key": "team",
            "policy": policy,
            "request_id": "r1",
            "trace_id": "",
            "text": text,
            "results": results,
        }
        return Decision(**given | settings)

    return make
