"""Whether traces are asked for, and what is told in them about a request: names, numbers and times, no text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from scanner_service.errors import ConfigError
from scanner_service.findings import ScannerResult
from scanner_service.stages import Stage

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


@dataclass(frozen=True, slots=True)
class Scanned:
    """What is told about one scan."""

    direction: str
    results: Sequence[ScannerResult]
    stages: Sequence[Stage]

    @property
    def is_valid(self) -> bool:
        """Whether nothing blocks."""
        return not any(one.blocks for one in self.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    What is told about one request.

    Attributes:
        status: of the answer.
        code: of the error that was answered, or empty.
        request_id: as in the answer.
        caller: the name of the key, or empty.
        policy: its name, and `policy_digest`; empty if the request did not get that far.
        stages: what took time, apart from the scans.
        scans: in the order in which they ended.
    """

    status: int
    code: str
    request_id: str
    caller: str
    policy: str
    policy_digest: str
    stages: Sequence[Stage]
    scans: Sequence[Scanned]


def wanted(environment: Mapping[str, str]) -> bool:
    """
    Whether the standard variables of OpenTelemetry ask for traces over OTLP.

    Raises:
        ConfigError: if they do, and no trace could be sent: the endpoint is none, the protocol another one, or the
            packages are missing. The message does not repeat an endpoint, which may hold a password.
    """
    endpoint = _first(environment, _ENDPOINTS)
    protocol = _first(environment, _PROTOCOLS)
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporters = [name.strip() for name in (environment.get("OTEL_TRACES_EXPORTER") or "otlp").split(",")]
    if endpoint is None or disabled or "otlp" not in exporters:
        return False
    if not _is_url(environment[endpoint]):
        raise ConfigError(f"{endpoint}: not an `http://` or `https://` URL")
    if protocol is not None and environment[protocol] != "http/protobuf":
        raise ConfigError(f"{protocol}: traces are sent as `http/protobuf` only, which collectors take at port 4318")
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter  # noqa: F401 - to know before it is needed
    except ImportError:
        raise ConfigError(f"{endpoint} needs OpenTelemetry: pip install '.[otlp]'") from None
    return True


def _is_url(value: str) -> bool:
    try:
        url = urlsplit(value)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname)


def _first(environment: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((name for name in names if environment.get(name)), None)
