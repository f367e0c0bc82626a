"""What the scanning endpoints work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scanner_service.audit.record import Audit
from scanner_service.config import Config
from scanner_service.engine import Engine
from scanner_service.http.auth import Keys
from scanner_service.http.limits import Admission
from scanner_service.metrics import Metrics
from scanner_service.policy import Policy
from scanner_service.rates import Rates
from scanner_service.shadow import Shadows
from scanner_service.vault import Vault
from scanner_service.verdict_cache import VerdictCache


@dataclass(frozen=True, slots=True)
class Served:
    """
    What can be replaced while the service runs, all at once.

    Attributes:
        policies: by name.
        default_policy: of requests that name none.
        keys: the credentials that are known.
    """

    policies: Mapping[str, Policy]
    default_policy: str
    keys: Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """
    Made once, shared by all requests of a worker.

    Attributes:
        config: limits and time-outs.
        engine: what scans.
        served: what requests are answered with; each asks once and keeps what it got.
        metrics: what counts.
        vault: what seals the values that were replaced.
        admission: what the worker takes on at once.
        rates: what each credential may ask for.
        cache: the engine with a memory, for texts that may come again.
        shadows: what scans again for shadow policies.
        audit: what records decisions, if anything does.
    """

    config: Config
    engine: Engine
    served: Callable[[], Served]
    metrics: Metrics
    vault: Vault
    admission: Admission
    rates: Rates
    cache: VerdictCache
    shadows: Shadows
    audit: Audit | None = None
