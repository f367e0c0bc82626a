"""Shadow policies: a share of what was answered is scanned again by another policy, and only the difference is kept."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scanner_service.engine import Engine
from scanner_service.errors import Overloaded, ScannerServiceError
from scanner_service.findings import Action, ScanResult
from scanner_service.logs import log_failure
from scanner_service.metrics import Metrics
from scanner_service.policy import Policy, Shadow

log = logging.getLogger(__name__)

MAX_AT_ONCE = 4  # shadow scans in one worker; each holds a text and competes with what callers wait for


@dataclass(frozen=True, slots=True)
class Answered:
    """A scan whose answer was given, and what it takes to do it again under another policy."""

    direction: str
    policy: Policy
    text: str
    prompt: str | None
    fail_fast: bool
    result: ScanResult
    ids: Mapping[str, str]  # what leads to the request in the log


class Shadows:
    """
    Runs shadow policies. It keeps no text beyond the scan.

    Args:
        engine: what scans.
        metrics: what counts the outcomes.
        draw: a number from 0 to 1, 1 excluded, for each scan; it is sampled if that is under the share.
    """

    def __init__(self, engine: Engine, metrics: Metrics, draw: Callable[[], float] = random.random) -> None:
        self._engine = engine
        self._metrics = metrics
        self._draw = draw
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, scan: Answered, *, busy: bool) -> None:
        """Scan again in the background if the sample wants it, unless the worker is *busy* or enough of it runs."""
        shadow = scan.policy.shadow
        if shadow is None or self._draw() >= shadow.share:
            return
        if busy or len(self._tasks) >= MAX_AT_ONCE:
            self._count(scan, shadow, "dropped")
            return
        task = asyncio.create_task(self._compare(scan, shadow))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Give up what still runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _compare(self, scan: Answered, shadow: Shadow) -> None:
        rules = shadow.policy.prompt if scan.direction == "prompt" else shadow.policy.output
        try:
            result = await self._engine.scan(rules, scan.text, prompt=scan.prompt, fail_fast=scan.fail_fast)
        except Overloaded:
            self._count(scan, shadow, "dropped")
            return
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            if not isinstance(error, ScannerServiceError):
                log_failure(log, "could not run", error, what="shadow", **scan.ids)
            self._count(scan, shadow, "failed")
            return
        outcome = compare(scan.result, result)
        self._count(scan, shadow, outcome)
        if outcome != "same":
            log.info(
                "shadow differs",
                extra={
                    **scan.ids,
                    "direction": scan.direction,
                    "policy": scan.policy.name,
                    "shadow": shadow.policy.name,
                    "outcome": outcome,
                    "live_rules": _told(scan.result),
                    "shadow_rules": _told(result),
                },
            )

    def _count(self, scan: Answered, shadow: Shadow, outcome: str) -> None:
        self._metrics.shadows.labels(scan.policy.name, shadow.policy.name, outcome).inc()


def compare(live: ScanResult, shadow: ScanResult) -> str:
    """
    What the shadow would have done: `same`, `stricter` or `looser`; `failed` if a rule on either side could not run.

    Blocking is stricter than redacting, and redacting more characters is stricter than redacting fewer.
    """
    if any(one.error not in (None, "skipped") for one in (*live.results, *shadow.results)):
        return "failed"
    before, after = _reach(live), _reach(shadow)
    return "same" if before == after else "stricter" if after > before else "looser"


def _reach(result: ScanResult) -> tuple[bool, int]:
    if not result.is_valid:
        return True, 0
    spans = [finding.span for one in result.results if one.action is Action.REDACT for finding in one.findings]
    covered = end = 0
    for span in sorted(spans):
        covered += max(0, span.end - max(span.start, end))
        end = max(end, span.end)
    return False, covered


def _told(result: ScanResult) -> Mapping[str, Mapping[str, object]]:
    """By name, the rules that did something or failed: nothing that was found, only how sure they were."""
    return {
        one.scanner: {"action": one.action.value, "risk": one.risk, "error": one.error}
        for one in result.results
        if one.triggered or one.error is not None
    }
