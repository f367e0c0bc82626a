"""From the engine's result to the answer on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from scanner_service.findings import ScannerResult, ScanResult
from scanner_service.http import strict_json, wire
from scanner_service.policy import Policy

# More places than these make a message longer, not clearer.
MAX_PLACES = 3
DIGITS = 6  # of a risk

# Encoding more takes longer than the event loop should be away from everybody else; so does putting back or sealing
# values where text and values together have more characters.
MANY_PARTS = 200
MUCH_REPLACED = 4_096


def verdict(result: ScanResult, policy: Policy, request_id: str) -> wire.Verdict:
    """The answer of `/scan/*`."""
    return wire.Verdict(**_common(result, policy, request_id))


def prompt_answer(result: ScanResult, policy: Policy, request_id: str, token: str | None) -> wire.PromptAnswer:
    """The answer of `/analyze/prompt`, with the vault *token* that puts back what was replaced."""
    return wire.PromptAnswer(**_common(result, policy, request_id), sanitized_prompt=result.sanitized, vault=token)


def output_answer(result: ScanResult, policy: Policy, request_id: str, restored: str) -> wire.OutputAnswer:
    """The answer of `/analyze/output`, whose text is *restored*: sanitized, with the values of the vault put back."""
    return wire.OutputAnswer(**_common(result, policy, request_id), sanitized_output=restored)


async def encoded(make: Callable[[], wire.Verdict], result: ScanResult) -> bytes:
    """What *make* makes of *result*, as it goes on the wire; made in a thread if there is much of it."""
    parts = sum(len(one.findings) for one in result.results) + len(result.replaced)
    size = len(result.sanitized) + sum(map(len, result.replaced.values()))
    if parts <= MANY_PARTS and size <= (MUCH_REPLACED if result.replaced else strict_json.LARGE_BYTES):
        return msgspec.json.encode(make())
    return await asyncio.to_thread(lambda: msgspec.json.encode(make()))


def message(result: ScanResult) -> str:
    """What triggered or failed, and where; none of the text."""
    return "; ".join(f"{one.scanner}: {part}" for one in result.results for part in _parts(one))


def _common(result: ScanResult, policy: Policy, request_id: str) -> dict[str, Any]:
    return {
        "is_valid": result.is_valid,
        "blocked": not result.is_valid,
        "message": message(result),
        "scanners": {one.scanner: _rounded(one.risk) for one in result.results if one.risk is not None},
        "results": [_result(one) for one in result.results],
        "policy": policy.name,
        "policy_digest": policy.digest,
        "request_id": request_id,
    }


def _rounded(risk: float) -> float:
    """*risk* as it is written; what is negative stays negative, since 0 would mean triggered."""
    return round(risk, DIGITS) if risk >= 0 else min(round(risk, DIGITS), -(10**-DIGITS))


def _result(one: ScannerResult) -> wire.Result:
    return wire.Result(
        scanner=one.scanner,
        kind=one.kind,
        score=one.score,
        threshold=one.threshold,
        triggered=one.triggered,
        action=one.action.value,
        findings=[
            wire.Finding(found.label, found.score, found.span.start, found.span.end, found.view)
            for found in one.findings
        ],
        error=one.error,
        duration_ms=round(one.duration_ms, 3),
    )


def _parts(one: ScannerResult) -> Iterator[str]:
    if one.error is not None:
        yield one.error
    elif one.findings:
        places = [f"{found.label} at {found.span.start}–{found.span.end}" for found in one.findings[:MAX_PLACES]]
        more = len(one.findings) - len(places)
        yield ", ".join(places) + (f" and {more} more" if more else "")
