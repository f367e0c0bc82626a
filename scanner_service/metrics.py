"""What the service counts. Labels are names from the configuration and codes, never text of a caller."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import cache

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

from scanner_service.stages import Stage
from scanner_service.traces import Scanned

disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each, that nobody reads

# A scanner could make a label of anything; what is over this number, or no label at all, is counted as OTHER.
MAX_LABELS = 200
LABEL = re.compile(r"[A-Z][A-Z0-9_]{0,63}")

_WINDOWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
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
        # From nought to one is an increase; from nothing to one is none, and would raise no alert.
        for outcome in ("reloaded", "refused"):
            self.reloads.labels(outcome)
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
        self._windows = Histogram(
            "scanner_model_windows",
            "Token windows that a model was given: of one text, and in one run.",
            ["model", "per"],
            buckets=_WINDOWS,
            registry=registry,
        )
        self._models = Gauge(
            "scanner_model_info",
            "The models that are loaded, and the SHA-256 of their files; always 1.",
            ["model", "sha256"],
            multiprocess_mode="livemax",
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
        self.audit_failures = Counter(
            "scanner_audit_failures",
            "Decisions that were not recorded in the audit log, or not in time.",
            ["reason"],
            registry=registry,
        )
        for reason in ("full", "late", "write"):  # a first failure is only seen beside a zero
            self.audit_failures.labels(reason)
        self._scans = Counter(
            "scanner_scans",
            "Texts scanned.",
            ["direction", "policy", "verdict"],
            registry=registry,
        )
        self._triggered = Counter(
            "scanner_triggered",
            "Rules that triggered, once for each label.",
            ["policy", "scanner", "label", "action"],
            registry=registry,
        )
        self.shadows = Counter(
            "scanner_shadow",
            "Scans that a shadow policy was to repeat, and how it differed.",
            ["policy", "shadow", "outcome"],
            registry=registry,
        )
        self._errors = Counter("scanner_errors", "Rules that could not run.", ["scanner", "code"], registry=registry)
        durations = Histogram(
            "scanner_duration_seconds",
            "Time inside a scanner, without its models.",
            ["scanner"],
            buckets=_SECONDS,
            registry=registry,
        )
        stages = Histogram(
            "scanner_stage_duration_seconds",
            "Time of one stage of an answer, with what it waited for.",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        # Twenty of these for every answer, hence not looked up each time.
        self._duration, self._stage = cache(durations.labels), cache(stages.labels)

    def count(self, policy: str, scan: Scanned) -> None:
        """Count one scan, its stages, and what each rule of *policy* said."""
        self.count_stages(scan.stages)
        self._scans.labels(scan.direction, policy, "valid" if scan.is_valid else "blocked").inc()
        for one in scan.results:
            if one.error not in (None, "skipped"):
                self._errors.labels(one.scanner, one.error).inc()
            elif one.duration_ms:  # none if it did not have to run, or if it is a verdict from the cache
                self._duration(one.scanner).observe(one.duration_ms / 1000)
            for label in {self._bounded(finding.label) for finding in one.findings}:
                self._triggered.labels(policy, one.scanner, label, one.action.value).inc()

    def count_stages(self, stages: Iterable[Stage]) -> None:
        """Count how long each of *stages* took."""
        for stage in stages:
            self._stage(stage.name).observe(stage.seconds)

    def count_windows(self, model: str, per: str, windows: int) -> None:
        """Count the *windows* that *model* was given, per `text` or per `run`."""
        self._windows.labels(model, per).observe(windows)

    def show_models(self, digests: Mapping[str, str]) -> None:
        """Tell which models are loaded: by name, the SHA-256 of the file."""
        for model, digest in digests.items():
            self._models.labels(model, digest).set(1)

    def expose(self) -> bytes:
        """Everything in the text format of Prometheus."""
        if not _multiprocess():
            return generate_latest(self._registry)
        registry = CollectorRegistry()  # a fresh one: the collector reads the files of all workers
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _bounded(self, label: str) -> str:
        if label not in self._labels:
            if len(self._labels) >= MAX_LABELS or not LABEL.fullmatch(label):
                return "OTHER"
            self._labels.add(label)
        return label


def _multiprocess() -> bool:
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ
