"""
Rows of many texts through one model, fairly and without delay.

Whatever waits when the model becomes free is the next batch; nobody waits for a batch to fill. Only rows of equal
length share a run, because padding costs more on a CPU than batching gains. Texts that have not had a turn and texts
that have had one take turns: a short text waits for about one run, however many windows a long one has, and a stream
of short texts leaves a long one every other run. The idea of draining the queue is that of text-embeddings-inference.

A text that is ready long before its turn has taken time from those before it, and memory; so the batcher says when it
has room for a further one.

The event loop does the bookkeeping, one thread runs the model; neither waits for a lock of the other. A thread that has
one row in hand when the model is free and nobody waits runs it itself, and saves two changes of threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from scanner_service.errors import ModelError, Overloaded, ScannerServiceError
from scanner_service.inference.onnx import Floats

Ints = NDArray[np.int64]
Outputs = Mapping[str, Floats]
T = TypeVar("T")

# Tokens in one run. A longer run gains little (see bench/model.py), and it is what a new text waits for.
MAX_RUN_TOKENS = 512
ONE_ROW = 1

# Texts that wait for their first turn: enough that a model never waits for the next one to be prepared.
MAX_FRESH_TEXTS = 32


@dataclass(slots=True, eq=False)
class _Job:
    """The rows of one text, of so many tokens each. `taken` belongs to the event loop, `outputs` to the thread."""

    rows: Ints
    finish: Callable[[Outputs], Any]
    done: asyncio.Future[Any]
    tokens: int
    taken: int = 0
    outputs: list[Outputs] = field(default_factory=list)

    @property
    def left(self) -> int:
        return len(self.rows) - self.taken


@dataclass(frozen=True, slots=True)
class _Share:
    """Those rows of a job that are in one run."""

    job: _Job
    rows: Ints
    last: bool


class Batcher:
    """
    A queue in front of one model. Make it inside a running event loop.

    Args:
        run: the model: rows of equal length [rows, tokens] to outputs by name, [rows, ...] each. Called in a thread,
            once at a time.
        max_run_tokens: budget of one run; a single row may be longer, so `ONE_ROW` keeps rows apart.
        max_queued_rows: how many rows may wait.
        count: told the rows of each run.
    """

    def __init__(
        self,
        run: Callable[[Ints], Outputs],
        *,
        max_run_tokens: int = MAX_RUN_TOKENS,
        max_queued_rows: int = 16_384,
        count: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._run = run
        self._max_run_tokens = max_run_tokens
        self._max_queued_rows = max_queued_rows
        self._count = count
        self._fresh: deque[_Job] = deque()
        self._started: deque[_Job] = deque()
        self._fresh_turn = True
        self._queued = 0
        self._closed = False
        self._awake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._free = threading.Lock()  # of a run; nobody waits for it
        self._room = asyncio.Event()
        self._room.set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._worker = asyncio.create_task(self._work())

    @property
    def queued_rows(self) -> int:
        """Rows that wait for a run."""
        return self._queued

    async def room(self) -> None:
        """Wait until fewer than `MAX_FRESH_TEXTS` wait for their first turn, or the batcher is closed."""
        await self._room.wait()

    def submit(self, rows: Ints, finish: Callable[[Outputs], T]) -> asyncio.Future[T]:
        """
        Run the model over *rows* [rows, tokens] and hand the outputs of all of them, in order, to *finish*.

        *finish* is called in the thread of the model. Cancelling what is returned takes the rows out of the queue. It
        gives what *finish* returns, or raises `ModelError` if the model failed, or *finish* raised it; `Overloaded`
        if the batcher is closed meanwhile.

        Raises:
            Overloaded: if more rows would wait than may, or the batcher is closed.
        """
        if self._closed or self.queued_rows + len(rows) > self._max_queued_rows:
            raise Overloaded("too many windows wait for the model")
        job = _Job(rows, finish, asyncio.get_running_loop().create_future(), tokens=rows.shape[1])
        job.done.add_done_callback(lambda _: self._forget(job) if job.left else None)
        self._fresh.append(job)
        self._queued += len(rows)
        self._awake.set()
        self._note_room()
        return job.done

    def at_once(self, row: Ints, finish: Callable[[Outputs], T]) -> T | None:
        """
        What `submit` gives for one *row* [1, tokens], made in the calling thread; nothing if that would have to wait.

        Raises:
            ModelError: if the model failed.
        """
        if self._closed or self._queued or not self._free.acquire(blocking=False):
            return None
        try:
            self._count(len(row))
            return finish(self._run(row))
        except Exception as error:  # noqa: BLE001 - whatever it is, this text fails and says so
            raise _as_model_error(error) from None
        finally:
            self._free.release()
            if self._queued:
                self._loop.call_soon_threadsafe(self._awake.set)

    async def aclose(self) -> None:
        """Let the run in progress end, and refuse what waits."""
        self._closed = True
        for job in (*self._fresh, *self._started):
            if not job.done.done():
                job.done.set_exception(Overloaded("the service is shutting down"))
        self._awake.set()
        self._note_room()
        await self._worker
        self._thread.shutdown()

    async def _work(self) -> None:
        while not self._closed:
            self._awake.clear()
            if not self._free.acquire(blocking=False):
                await self._awake.wait()
                continue
            try:
                if shares := self._next_shares():
                    await self._answer(shares)
            finally:
                self._free.release()
            if not shares:
                await self._awake.wait()

    async def _answer(self, shares: Sequence[_Share]) -> None:
        self._count(sum(len(share.rows) for share in shares))
        for job, answer in await self._loop.run_in_executor(self._thread, self._infer, shares):
            if job.done.done():
                continue
            if isinstance(answer, Exception):
                job.done.set_exception(answer)
            else:
                job.done.set_result(answer)

    def _next_shares(self) -> Sequence[_Share]:
        """Take the rows of the next run out of the queue."""
        queues = (self._fresh, self._started) if self._fresh_turn else (self._started, self._fresh)
        for queue in queues:
            waiting = (job for job in queue if not job.done.done())
            if first := next(waiting, None):
                break
        else:
            return []
        self._fresh_turn = queue is self._started
        room = max(1, self._max_run_tokens // first.tokens)
        jobs = [first, *islice((job for job in waiting if job.tokens == first.tokens), room - 1)]
        shares = []
        for job, count in zip(jobs, _dealt([job.left for job in jobs], room), strict=True):
            queue.remove(job)  # one of the first
            part = job.rows[job.taken : job.taken + count]
            job.taken += count
            self._queued -= count
            shares.append(_Share(job, part, last=not job.left))
            if job.left:
                self._started.append(job)
        self._note_room()
        return shares

    def _forget(self, job: _Job) -> None:
        """Called when a job has its answer, or nobody waits for it, before all of its rows had their turn."""
        for queue in (self._fresh, self._started):
            if job in queue:
                queue.remove(job)
                self._queued -= job.left
        self._note_room()

    def _note_room(self) -> None:
        if self._closed or len(self._fresh) < MAX_FRESH_TEXTS:
            self._room.set()
        else:
            self._room.clear()

    def _infer(self, shares: Sequence[_Share]) -> list[tuple[_Job, Any]]:
        """In the thread of the model: the jobs that came to their end, with their results or errors."""
        try:
            outputs = self._run(np.concatenate([share.rows for share in shares]))
        except Exception as error:  # noqa: BLE001 - the texts of this run fail, the others must not
            return [(share.job, _as_model_error(error)) for share in shares]
        ended: list[tuple[_Job, Any]] = []
        at = 0
        for share in shares:
            end = at + len(share.rows)
            share.job.outputs.append({name: value[at:end] for name, value in outputs.items()})
            at = end
            if share.last:
                ended.append((share.job, _finished(share.job)))
        return ended


def _dealt(left: Sequence[int], room: int) -> list[int]:
    """How many rows each job gets of *room*, dealt one at a time; *left* are the rows that each still has."""
    counts = [0] * len(left)
    while room and (open_ := [index for index, count in enumerate(counts) if count < left[index]][:room]):
        for index in open_:
            counts[index] += 1
        room -= len(open_)
    return counts


def _finished(job: _Job) -> Any:
    try:
        return job.finish({name: np.concatenate([part[name] for part in job.outputs]) for name in job.outputs[0]})
    except Exception as error:  # noqa: BLE001 - of this text alone
        return _as_model_error(error)


def _as_model_error(error: Exception) -> ScannerServiceError:
    if isinstance(error, ModelError):
        return ModelError(*error.args)  # several callers may raise it, each with a traceback of its own
    return ModelError(f"the model could not run: {type(error).__name__}")
