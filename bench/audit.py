"""
What the audit log costs: `python -m bench.audit [--events N]`.

Decisions of the shipped policy are recorded to a file in a temporary folder. Printed are the time that a request spends
on handing one over, the processor time of the thread that writes them, for short and for long texts, with and without
evidence, and how long a request waits with `required`. Needs no model: what rules would have said is made up.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from scanner_service.audit.event import Decision, event_of
from scanner_service.audit.record import Audit
from scanner_service.audit.sinks import open_sink
from scanner_service.config import FileAudit
from scanner_service.evidence import Evidence
from scanner_service.findings import Action, ScannerResult
from scanner_service.policy import Policy

RULES = ("length", "prompt_injection", "toxicity", "pii", "secrets", "invisible_text")
CHARACTERS = (200, 100_000)
KEY = secrets.token_bytes(32)


def decision(characters: int, evidence: Evidence | None) -> Decision:
    """What six rules might say about a text of so many characters."""
    results = [
        ScannerResult(scanner=name, kind=name, score=0.123456, threshold=0.5, action=Action.ALLOW) for name in RULES
    ]
    return Decision(
        direction="prompt",
        route="/analyze/prompt",
        item=None,
        key="bench",
        policy=Policy("default", "0" * 16, (), (), evidence=evidence),
        request_id="0" * 32,
        trace_id="",
        text=("words of a text " * (characters // 16 + 1))[:characters],
        results=results,
    )


def writing(made: Decision, events: int) -> float:
    """Microseconds of processor time for making and encoding one event."""
    started = time.process_time()
    for _ in range(events):
        event_of(made, KEY)
    return (time.process_time() - started) / events * 1e6


async def handing_over(path: Path, made: Decision, events: int, *, required: bool) -> float:
    """Median microseconds that a request spends on it."""
    sink = open_sink(FileAudit(path=str(path)))
    audit = Audit(sink, KEY, required=required, on_failure=lambda reason, count: None)
    taken = []
    for at in range(events):
        started = time.perf_counter()
        await audit.record(made)
        taken.append((time.perf_counter() - started) * 1e6)
        if at % 100 == 99:
            await asyncio.sleep(0.01)  # as requests would, let the thread write
    await audit.aclose()
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--events", type=int, default=2_000)
    events = parser.parse_args().events
    public = X25519PrivateKey.generate().public_key()
    variants: Mapping[str, Evidence | None] = {"": None, ", sealed": Evidence(public, "all")}
    print("microseconds for one event")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        for required, what in ((False, "handed over by a request"), (True, "waited for, if required")):
            print(f"{asyncio.run(handing_over(path, decision(200, None), events, required=required)):8.1f} {what}")
    for characters in CHARACTERS:
        for name, evidence in variants.items():
            made = decision(characters, evidence)
            print(f"{writing(made, events // 10):8.1f} to make it of a text of {characters:,} characters{name}")


if __name__ == "__main__":
    main()
