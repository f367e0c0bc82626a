"""What the service counts. Labels are names from the configuration and codes, never text of a caller."""

from __future__ import annotations

import os
import re

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from scanner_service.findings import ScanResult

disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each, that nobody reads

# A scanner could make a label of anything; what is over this number, or no label at all, is counted as OTHER.
MAX_LABELS = 200
_LABEL = re.compile(r"[A-Z][A-Z0-9_]{0,63}")

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The counters of one process. With several workers, `SCANNER_WORKERS`, they are added up when they are read."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._labels: set[str] = set()
        if not _multiprocess():
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
        self.requests = Histogram(
            "scanner_request_duration_seconds",
            "From the end of the header to the end of the answer.",
            ["route", "status"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.reloads = Counter(
            "scanner_policy_reloads",
            "Times that a worker has read its policies again, and whether it could use them.",
            ["outcome"],
            registry=registry,
        )
        self.policies_read = Gauge(
            "scanner_policy_last_success_timestamp_seconds",
            "When the policies in use were read; with several workers, the earliest.",
            multiprocess_mode="livemin",
            registry=registry,
        )
        self.in_flight = Gauge(
            "scanner_requests_in_flight",
            "Requests being answered.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.queued = Gauge(
            "scanner_queued_windows",
            "Token windows waiting for a model.",
            ["model"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.recalled = Counter(
            "scanner_verdict_cache_lookups",
            "Texts looked up among those scanned before.",
            ["level", "outcome"],
            registry=registry,
        )
        self.redis_failures = Counter(
            "scanner_redis_failures",
            "Calls of Redis that failed or took too long; what they were for was done without.",
            ["operation"],
            registry=registry,
        )
        self._scans = Counter(
            "scanner_scans",
            "Texts scanned.",
            ["direction", "policy", "verdict"],
            registry=registry,
        )
        self._triggered = Counter(
            "scanner_triggered",
            "Rules that triggered, once for each label.",
            ["scanner", "label", "action"],
            registry=registry,
        )
        self.shadows = Counter(
            "scanner_shadow",
            "Scans that a shadow policy was to repeat, and how it differed.",
            ["policy", "shadow", "outcome"],
            registry=registry,
        )
        self._errors = Counter("scanner_errors", "Rules that could not run.", ["scanner", "code"], registry=registry)
        self._durations = Histogram(
            "scanner_duration_seconds",
            "Time inside a scanner, without its models.",
            ["scanner"],
            buckets=_SECONDS,
            registry=registry,
        )

    def count(self, direction: str, policy: str, result: ScanResult) -> None:
        """Count one scan and what each of its rules said."""
        self._scans.labels(direction, policy, "valid" if result.is_valid else "blocked").inc()
        for one in result.results:
            if one.error is not None:
                self._errors.labels(one.scanner, one.error).inc()
            elif one.duration_ms:  # none if it is a verdict from the cache
                self._durations.labels(one.scanner).observe(one.duration_ms / 1000)
            for label in {self._bounded(finding.label) for finding in one.findings}:
                self._triggered.labels(one.scanner, label, one.action.value).inc()

    def expose(self) -> bytes:
        """Everything in the text format of Prometheus."""
        if not _multiprocess():
            return generate_latest(self._registry)
        registry = CollectorRegistry()  # a fresh one: the collector reads the files of all workers
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _bounded(self, label: str) -> str:
        if label not in self._labels:
            if len(self._labels) >= MAX_LABELS or not _LABEL.fullmatch(label):
                return "OTHER"
            self._labels.add(label)
        return label


def _multiprocess() -> bool:
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ
