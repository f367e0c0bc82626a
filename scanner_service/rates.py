"""How much each credential may ask for: a token bucket, kept as the one moment at which it is full again."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping

from scanner_service.errors import RateLimited, RequestTooLarge
from scanner_service.shared import Shared

SECONDS = 60.0  # a bucket that is empty is full again after a minute

# The same arithmetic as `_take`, on the clock of Redis, which all replicas share. Gives the seconds to wait. That clock
# may be set back, by a failover too: a bucket is never further from full than an empty one.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local kept = math.min(tonumber(redis.call('GET', KEYS[1]) or 0), now + ARGV[2])
local full = math.max(now, kept) + ARGV[1]
local wait = full - now - ARGV[2]
if wait > 0.000001 then return tostring(wait) end
redis.call('SET', KEYS[1], string.format('%.6f', full), 'PX', math.ceil((full - now) * 1000))
return '0'
"""


class Rates:
    """
    The token buckets of all credentials, in Redis if there is one that answers, otherwise in this process.

    Args:
        default: requests a minute of a credential that has no rate of its own; None for any number.
        by_name: those of its own, by name of the credential.
        workers: processes like this one. Without Redis a bucket refills here at this share of the rate, so that
            all together do not exceed it for long; each can hold a whole minute, so that any batch can be served.
        shared: Redis.
        now: the clock, in seconds.
    """

    def __init__(
        self,
        default: int | None,
        by_name: Mapping[str, int],
        *,
        workers: int = 1,
        shared: Shared | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._default = default
        self._by_name = by_name
        self._workers = workers
        self._shared = shared
        self._now = now
        self._full: dict[str, float] = {}

    async def take(self, name: str, count: int = 1, *, taken: int = 0) -> None:
        """
        Take *count* tokens, or none, from the bucket of *name*.

        Args:
            name: of the credential.
            count: how many.
            taken: how many the same request has taken before. It will need them again when it comes back.

        Raises:
            RateLimited: if there are fewer, saying when there will be enough for the whole request.
            RequestTooLarge: if the bucket never holds so many.
        """
        rate = self._by_name.get(name, self._default)
        if rate is None or count <= 0:
            return
        if count + taken > rate:
            raise RequestTooLarge(f"more items than the {rate} that this credential may send in a minute")
        wait, interval = await self._wait(name, count, SECONDS / rate)
        if wait > 0:
            raise RateLimited(f"more than {rate} requests a minute", math.ceil(wait + taken * interval))

    async def _wait(self, name: str, count: int, interval: float) -> tuple[float, float]:
        """How long until there are *count* tokens, 0 if they were there and are taken; and the time for one."""
        if self._shared is not None:
            key = f"scanner:rate:{hashlib.sha256(name.encode()).hexdigest()}"
            arguments = (f"{count * interval:.6f}", f"{SECONDS:.6f}")
            answer = await self._shared.call("rate", lambda redis: redis.eval(_SCRIPT, 1, key, *arguments))
            if answer is not None:
                return float(answer), interval
        interval *= self._workers
        full, wait = _take(self._full.get(name, 0.0), self._now(), count * interval, SECONDS * self._workers)
        self._full[name] = full
        return wait, interval


def _take(full: float, now: float, cost: float, depth: float) -> tuple[float, float]:
    """
    Take what refills in *cost* seconds from a bucket that refills wholly in *depth* seconds and is full at *full*.

    Returns:
        When it is full then, and how long to wait if it did not hold as much; then nothing is taken.
    """
    after = max(now, full) + cost
    wait = after - now - depth
    return (after, 0.0) if wait <= 1e-6 else (full, wait)  # 1 µs: what adding up intervals may lose
