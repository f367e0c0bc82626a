"""What the scanning endpoints work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scanner_service.config import Config
from scanner_service.engine import Engine
from scanner_service.http.auth import Keys
from scanner_service.http.limits import Admission
from scanner_service.metrics import Metrics
from scanner_service.policy import Policy
from scanner_service.shadow import Shadows
from scanner_service.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """
    Made once, shared by all requests of a worker.

    Attributes:
        config: limits and time-outs.
        engine: what scans.
        policies: by name.
        keys: the credentials that are known.
        metrics: what counts.
        vault: what seals the values that were replaced.
        admission: what the worker takes on at once.
        shadows: what scans again for shadow policies.
    """

    config: Config
    engine: Engine
    policies: Mapping[str, Policy]
    keys: Keys
    metrics: Metrics
    vault: Vault
    admission: Admission
    shadows: Shadows
