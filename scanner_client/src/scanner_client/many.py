"""Many texts at once: in threads or tasks, in order, within a rate, with a progress bar."""

from __future__ import annotations

import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Sized
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Throttle(Protocol):
    """Lets through as many as a rate allows, and makes the others wait."""

    def wait(self) -> None:
        """Wait for leave to send."""

    async def wait_async(self) -> None:
        """Wait for leave to send, without blocking the loop."""


class _Throttle:
    def __init__(self, limiter: Any) -> None:
        self._limiter = limiter

    def wait(self) -> None:
        self._limiter.try_acquire("requests")

    async def wait_async(self) -> None:
        await self._limiter.try_acquire_async("requests")


def throttle(requests_per_minute: int | None) -> Throttle | None:
    """
    A throttle for *requests_per_minute*; None if that is None.

    Raises:
        ImportError: the extra `rate-limit` is not installed.
        ValueError: the rate would let nothing through.
    """
    if requests_per_minute is None:
        return None
    if requests_per_minute < 1:
        raise ValueError("max_requests_per_minute must be 1 or more")
    try:
        from pyrate_limiter import Duration, Limiter, Rate
    except ImportError:
        raise ImportError("max_requests_per_minute needs: pip install './scanner_client[rate-limit]'") from None
    return _Throttle(Limiter(Rate(requests_per_minute, Duration.MINUTE)))


class Bar:
    """A progress bar on standard error if that is a terminal, otherwise nothing."""

    def __init__(self, items: Iterable[Any], *, shown: bool) -> None:
        self._tick: Callable[[], object] = lambda: None
        self._close: Callable[[], object] = lambda: None
        if not (shown and sys.stderr.isatty()):
            return
        try:
            from tqdm import tqdm
        except ImportError:
            raise ImportError("progress needs: pip install './scanner_client[progress]'") from None
        bar = tqdm(total=len(items) if isinstance(items, Sized) else None, unit="text")
        self._tick, self._close = bar.update, bar.close

    def tick(self) -> None:
        """One more is done."""
        self._tick()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()


def in_threads(work: Callable[[T], R], items: Iterable[T], workers: int, *, progress: bool) -> list[R]:
    """
    What *work* makes of each of *items*, in their order; items are drawn as threads become free.

    The first error of *work* or *items* ends it all and is raised.

    Raises:
        ValueError: there are no workers.
    """
    _check(workers)
    done: dict[int, R] = {}
    source, lock, stop = enumerate(items), threading.Lock(), threading.Event()

    def run() -> None:
        try:
            while not stop.is_set():
                with lock:
                    index, item = next(source, _END)
                if index < 0:
                    return
                done[index] = work(item)
                with lock:
                    bar.tick()
        except BaseException:
            stop.set()
            raise

    with Bar(items, shown=progress) as bar, ThreadPoolExecutor(workers, "scanner-client") as pool:
        try:
            for future in [pool.submit(run) for _ in range(workers)]:
                future.result()
        finally:
            stop.set()
    return [done[index] for index in range(len(done))]


async def in_tasks(work: Callable[[T], Awaitable[R]], items: Iterable[T], workers: int, *, progress: bool) -> list[R]:
    """As `in_threads`, in tasks."""
    import asyncio

    _check(workers)
    done: dict[int, R] = {}
    source = enumerate(items)

    async def run() -> None:
        for index, item in source:
            done[index] = await work(item)
            bar.tick()

    with Bar(items, shown=progress) as bar:
        tasks = [asyncio.ensure_future(run()) for _ in range(workers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return [done[index] for index in range(len(done))]


def _check(workers: int) -> None:
    """Without workers nothing would be done, and no answers read as nothing invalid."""
    if workers < 1:
        raise ValueError("max_workers must be 1 or more")


_END: Any = (-1, None)
