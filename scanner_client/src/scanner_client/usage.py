"""What a client did so far: counts and times, no texts."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from scanner_client.errors import ScanFailed
from scanner_client.results import Analysis
from scanner_client.streams import Transcript

# Percentiles are those of this many latest calls, so that a client can live for years.
RECENT_CALLS = 10_000


class Usage:
    """
    A count of calls and texts, safe to read and write from any thread.

    `str(usage)` says it in words, `usage.as_dict()` in numbers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._seconds: deque[float] = deque(maxlen=RECENT_CALLS)
        self._total_seconds = 0.0

    def record(self, outcomes: Iterable[Analysis | ScanFailed], seconds: float | None = None, retries: int = 0) -> None:
        """
        Add one call and what became of each of its texts.

        Args:
            seconds: how long it took, retries included; None for a stream, whose time is the LLM's.
        """
        with self._lock:
            self._counts.update(calls=1, retries=retries)
            if seconds is not None:
                self._counts["timed"] += 1
                self._seconds.append(seconds)
                self._total_seconds += seconds
            for outcome in outcomes:
                self._counts["texts"] += 1
                self._add(outcome)

    @contextmanager
    def stream(self, transcript: Transcript) -> Iterator[None]:
        """Add one stream, however it ends."""
        try:
            yield
        except ScanFailed as failure:
            self.record([failure])
            raise
        except BaseException:  # found malicious, or nobody reads on
            if transcript.analysis is not None:
                self.record([transcript.analysis])
            raise
        if transcript.analysis is not None:
            self.record([transcript.analysis])

    def _add(self, outcome: Analysis | ScanFailed) -> None:
        failure = outcome if isinstance(outcome, ScanFailed) else outcome.failure
        if failure is None:
            self._counts["scanned"] += 1
            self._counts["blocked"] += not outcome.is_valid
            return
        self._failures[type(failure).__name__] += 1
        self._counts["allowed_unscanned"] += outcome.is_valid

    def percentile(self, share: float) -> float:
        """The seconds that *share* (0 to 1) of the latest calls took at most; 0 if there were none."""
        with self._lock:
            ordered = sorted(self._seconds)
        return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0

    def as_dict(self) -> dict[str, Any]:
        """
        Everything counted.

        `block_rate` is the share of the scanned texts that were found malicious; times are in seconds.
        """
        p50, p95, p99 = (self.percentile(share) for share in (0.5, 0.95, 0.99))
        with self._lock:
            counts = self._counts
            return {
                "calls": counts["calls"],
                "texts": counts["texts"],
                "scanned": counts["scanned"],
                "blocked": counts["blocked"],
                "block_rate": counts["blocked"] / counts["scanned"] if counts["scanned"] else 0.0,
                "allowed_unscanned": counts["allowed_unscanned"],
                "failures": dict(self._failures),
                "retries": counts["retries"],
                "mean_seconds": self._total_seconds / counts["timed"] if counts["timed"] else 0.0,
                "p50_seconds": p50,
                "p95_seconds": p95,
                "p99_seconds": p99,
            }

    def __str__(self) -> str:
        told: dict[str, Any] = self.as_dict()
        parts = [
            f"{told['calls']} calls, {told['texts']} texts",
            f"{told['blocked']} of {told['scanned']} scanned were blocked ({told['block_rate']:.1%})",
        ]
        if told["failures"]:
            parts.append("failed: " + ", ".join(f"{count} {name}" for name, count in sorted(told["failures"].items())))
        if told["allowed_unscanned"]:
            parts.append(f"{told['allowed_unscanned']} passed unscanned")
        times = (f"{name} {told[name + '_seconds'] * 1000:.1f} ms" for name in ("mean", "p50", "p95", "p99"))
        return "; ".join([*parts, f"{told['retries']} retries", ", ".join(times)])
