"""From a scan to what the audit log says about it, whichever way the scan ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from scanner_service.audit.event import Decision
from scanner_service.audit.record import Audit
from scanner_service.errors import CallerGone
from scanner_service.findings import ScanResult
from scanner_service.http.errors import answer_to
from scanner_service.http.exchange import Exchange
from scanner_service.policy import Policy


@dataclass(slots=True)
class Outcome:
    """What a scan has come to; `result` is to be set before the end of the block that `recorded` guards."""

    result: ScanResult | None = None


@asynccontextmanager
async def recorded(
    audit: Audit | None,
    here: Exchange,
    policy: Policy,
    *,
    route: str,
    direction: str,
    text: Callable[[], str],
    item: int | None = None,
) -> AsyncIterator[Outcome]:
    """
    A block in which a text is scanned, and behind which its decision is recorded.

    Args:
        audit: what records; None for nothing.
        here: the request.
        policy: what judges.
        route: the path that was called.
        direction: `prompt` or `output`.
        text: gives what is scanned, as far as it is known when the block ends.
        item: the place in a batch.

    Raises:
        AuditFailed: behind the block, if what is required could not be recorded.
    """
    outcome = Outcome()
    if audit is None:
        yield outcome
        return
    decision = partial(
        Decision,
        direction=direction,
        route=route,
        item=item,
        key=here.caller,
        policy=policy,
        request_id=here.request_id,
        trace_id=here.trace_id,
    )
    try:
        yield outcome
    except BaseException as error:
        # Without waiting: the caller gets an error in any case, or is gone.
        audit.note(decision(text=text(), error=_code_of(error)))
        raise
    if outcome.result is not None:
        results, cached = outcome.result.results, outcome.result.cached
        await audit.record(decision(text=text(), results=results, cached=cached))


def _code_of(error: BaseException) -> str:
    gone = isinstance(error, asyncio.CancelledError | GeneratorExit)
    return CallerGone.code if gone else answer_to(error, "").error.code
