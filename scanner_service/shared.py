"""What replicas share in Redis: optional, and never waited for longer than 50 ms."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from scanner_service.errors import ConfigError
from scanner_service.logs import log_failure

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

CALL_SECONDS = 0.05  # of one call in all: waiting for a connection, making it, asking and reading the answer
PAUSE_SECONDS = 1.0  # after a failure nobody asks for so long; then one call tries
MAX_CONNECTIONS = 4  # making one costs redis-py 6 ms of CPU, asking 0.2 ms: few are quick enough

T = TypeVar("T")


class Shared:
    """
    A Redis that may be absent, slow or wrong at any time without anybody noticing but the metrics.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, with user and password if it has any.
        on_failure: told the operation of each call that failed.
        now: the clock, in seconds.

    Raises:
        ConfigError: if the package `redis` is missing or the URL is none; the message does not repeat it.
    """

    def __init__(
        self, url: str, on_failure: Callable[[str], object], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = _connect(url)
        self._on_failure = on_failure
        self._now = now
        self._failing = False
        self._silent_until = 0.0

    @classmethod
    def load(cls, environment: Mapping[str, str], on_failure: Callable[[str], object]) -> Shared | None:
        """What `SCANNER_REDIS_URL` names; None if it is not set."""
        url = environment.get("SCANNER_REDIS_URL")
        return cls(url, on_failure) if url else None

    async def call(self, operation: str, ask: Callable[[Redis], Awaitable[T]]) -> T | None:
        """
        What Redis answers to *ask*; None if it does not, within `CALL_SECONDS`.

        Args:
            operation: what is asked, for the metrics.
            ask: makes one call.
        """
        if self._now() < self._silent_until:
            return None
        if self._failing:
            self._silent_until = self._now() + PAUSE_SECONDS  # this call tries; those beside it do not
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await ask(self._redis)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with Redis, scanning goes on without it
            self._fail(operation, error)
            return None
        self._failing, self._silent_until = False, 0.0
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    def _fail(self, operation: str, error: Exception) -> None:
        self._on_failure(operation)
        if not self._failing:
            log_failure(log, "could not reach Redis, going on without", error, operation=operation)
        self._failing, self._silent_until = True, self._now() + PAUSE_SECONDS


def _connect(url: str) -> Redis:
    """A client that has not connected yet."""
    if importlib.util.find_spec("redis") is None:
        raise ConfigError("SCANNER_REDIS_URL needs the package `redis`: pip install '.[redis]'")
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError

    no_url = "SCANNER_REDIS_URL: not a `redis://`, `rediss://` or `unix://` URL"
    if not url.startswith(("redis://", "rediss://", "unix://")):  # redis-py takes `redis:6379` for localhost
        raise ConfigError(no_url)
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=CALL_SECONDS,
            socket_timeout=CALL_SECONDS,
            socket_connect_timeout=CALL_SECONDS,
            retry=Retry(NoBackoff(), 0),  # by default redis-py tries for seconds
        )
        pool.make_connection()  # type: ignore[no-untyped-call]  # not connected: only here are options looked at
    except ValueError:
        raise ConfigError(no_url) from None
    except (TypeError, RedisError):
        raise ConfigError("SCANNER_REDIS_URL: an option behind `?` that no connection of this kind takes") from None
    return Redis.from_pool(pool)
