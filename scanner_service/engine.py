"""The engine: scans within a deadline and off the event loop, with the models between their two steps."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

from scanner_service.errors import DeadlineExceeded, ModelError, Overloaded
from scanner_service.findings import ScannerResult, ScanResult
from scanner_service.policy import Rule
from scanner_service.scan import Deadline, Predicted, Readings, Scan, edited, model_error
from scanner_service.scanner import ModelInfo, Prediction
from scanner_service.stages import Stopwatch
from scanner_service.substitutes import Substitutes
from scanner_service.text import Text

T = TypeVar("T")

# Scanners are pure Python and share one lock; a second thread only keeps a long text from delaying a short one.
SCAN_THREADS = 2


class Models(Protocol):
    """
    What answers needs: `inference.pool.ModelPool` in production, `testing.FakeModels` in tests.

    Attributes:
        info: the models there are, by name.
    """

    @property
    def info(self) -> Mapping[str, ModelInfo]: ...

    async def room(self, models: Collection[str]) -> None:
        """Wait until each of *models* has so little before it that a further text is worth preparing."""
        ...

    def read(self, model: str, text: str) -> Any:
        """
        *text* as `predict` takes it. Called in a thread.

        Raises:
            ModelError: if the model cannot read it.
        """
        ...

    def predict_at_once(self, model: str, reading: Any) -> Sequence[Prediction] | None:
        """
        As `predict`, or nothing if it would take long or have to wait. Called in a thread.

        Raises:
            ModelError: if the model cannot say.
        """
        ...

    async def predict(self, model: str, reading: Any) -> Sequence[Prediction]:
        """
        What *model* says about what it has read.

        Raises:
            ModelError: if the model cannot say.
            Overloaded: if too much work is queued.
        """
        ...


class Engine:
    """
    Runs chains of rules over texts.

    The stages of a scan are `prepare`, the rules that need no model and, for those that do, the views and their tokens;
    `infer`, if models are needed; `judge`, the rules that need them; and `sanitize`. Each includes what it waits for.

    Args:
        models: what answers the needs of scanners.
        timeout: seconds from the call of `scan` or `answer` to its answer or `DeadlineExceeded`.
    """

    def __init__(self, models: Models, timeout: float) -> None:
        self._models = models
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(SCAN_THREADS, thread_name_prefix="scan")
        self._turns: defaultdict[frozenset[str], asyncio.Semaphore] = defaultdict(
            partial(asyncio.Semaphore, SCAN_THREADS)
        )

    def close(self) -> None:
        """Let go of the threads. Scans still running end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def scan(
        self,
        rules: Sequence[Rule],
        text: str,
        *,
        prompt: str | None = None,
        substitutes: Substitutes | None = None,
        fail_fast: bool = False,
    ) -> ScanResult:
        """
        Run *rules* over *text*.

        Args:
            rules: what to hold the text against, at least one.
            text: a prompt, or an output.
            prompt: the prompt that the output answers, if the text is an output.
            substitutes: what gives out the stand-ins of redacted values, if not only for this text.
            fail_fast: stop at the first rule that blocks; the others are reported as skipped.

        Raises:
            DeadlineExceeded: if it takes longer than the timeout.
            Overloaded: if too much work is queued already.
        """
        if not rules:
            raise ValueError("a chain without rules would call everything valid")
        context = None if prompt is None else Text(prompt)
        async with self._in_time() as deadline:
            scan = Scan(rules, Text(text), context, substitutes or Substitutes(text), fail_fast, deadline)
            begun = await self._begun(scan)
            if isinstance(begun, ScanResult):
                return begun
            scan.predicted |= await self._predicted(begun)
            return await self._in_thread(scan.finish)

    async def answer(
        self,
        rules: Sequence[Rule],
        recall: Callable[[], Sequence[ScannerResult]],
        text: str,
        substitutes: Substitutes,
    ) -> ScanResult:
        """
        The answer to a scan of *text* whose results are known already.

        Args:
            rules: of that scan.
            recall: gives the results, one for each of *rules*; called in a thread.
            text: what was scanned.
            substitutes: as for `scan`.

        Raises:
            DeadlineExceeded: if it takes longer than the timeout.
        """
        watch = Stopwatch()
        async with self._in_time() as deadline:
            return await self._in_thread(
                lambda: edited(rules, recall(), text, substitutes, watch=watch, deadline=deadline)
            )

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[Deadline]:
        """A block that ends in time or with `DeadlineExceeded`, and the deadline of what it leaves to threads."""
        deadline = Deadline(self._timeout)
        try:
            async with asyncio.timeout(self._timeout):
                yield deadline
        except TimeoutError:
            raise DeadlineExceeded("the scan did not end in time") from None
        finally:
            deadline.abandon()

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _begun(self, scan: Scan) -> ScanResult | Readings:
        # In a burst the texts wait here: were they all prepared as they come, the threads would keep the event loop
        # from its work just when there is most of it, and a text that is done would wait for all that are not.
        models = frozenset(need.model for rule in scan.rules for need in rule.scanner.needs)
        async with self._turns[models]:
            await self._models.room(models)
            return await self._in_thread(self._begin, scan)

    def _begin(self, scan: Scan) -> ScanResult | Readings:
        """In a thread: the whole scan, if models answer at once, or what they are yet to be asked about."""
        waiting = scan.ask(scan.prepare(self._models.read), self._models.predict_at_once)
        return waiting or scan.finish()

    async def _predicted(self, readings: Readings) -> Predicted:
        calls = [self._models.predict(model, reading) for (model, _), reading in readings.items()]
        predicted: dict[tuple[str, str], Sequence[Prediction] | ModelError] = {}
        for call, answer in zip(readings, await _together(calls), strict=True):
            if isinstance(answer, Overloaded) or (
                isinstance(answer, BaseException) and not isinstance(answer, Exception)
            ):
                raise answer
            predicted[call] = model_error(call[0], answer) if isinstance(answer, BaseException) else answer
        return predicted


async def _together(calls: Sequence[Coroutine[Any, Any, T]]) -> Sequence[T | BaseException]:
    """What each of *calls* gives or raises. One alone, the usual case, goes without a task of its own."""
    if len(calls) != 1:
        answers: Sequence[T | BaseException] = await asyncio.gather(*calls, return_exceptions=True)
        return answers
    try:
        return [await calls[0]]
    except Exception as error:  # noqa: BLE001 - as above
        return [error]
