"""What is not about a scanner: time-outs, credentials, rates, telemetry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scanner_service.errors import ConfigError
from scanner_service.llm_guard.file import App, Auth, File, RateLimit, unknown
from scanner_service.llm_guard.migrated import Part
from scanner_service.llm_guard.notes import Note, Said

_RATE = re.compile(
    r"\s*(?P<count>[1-9][0-9]{0,8})\s*(?:/|per\s)\s*(?:(?P<times>[1-9][0-9]{0,8})\s*)?"
    r"(?P<unit>second|minute|hour|day|month|year)s?\s*",
    re.IGNORECASE,
)


_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "month": 2_592_000, "year": 31_104_000}


_LONGEST_SCAN = 3600


_HIGHEST_RATE = 1_000_000


_SHORTEST_KEY = 16


_OF_APP = {
    "name": "not carried over: the service has no name; OTEL_SERVICE_NAME names it in traces",
    "log_json": "not carried over: the log is always JSON",
    "lazy_load": "not carried over: models are loaded at start, before the service says that it is ready",
}


_EVERYWHERE = (
    Said("order", Note("there a scanner reads what those before it have left; here every rule reads the text itself")),
    Said("`scanners_suppress`", Note("there callers may leave out any scanner, here only rules with `optional: true`")),
)


def make_settings(file: File, said: Sequence[Said]) -> Part:
    """
    The settings of the whole service, and what there is to say about them, after what was *said* before.

    Raises:
        ConfigError: if the rate is none.
    """
    app = file.app or App()
    level = app.log_level.lower()
    rate, of_rate = _of_rate(file.rate_limit or RateLimit())
    settings: dict[str, Any] = {
        "scan_timeout_seconds": min(max(app.scan_prompt_timeout, app.scan_output_timeout), _LONGEST_SCAN)
    }
    if level in ("debug", "warning", "error"):
        settings["log_level"] = level
    if file.auth is None:
        settings["allow_anonymous"] = True
    if rate is not None:
        settings["limits"] = {"requests_per_minute": rate}
    return Part(settings, [*said, *_of_app(app), *_of_auth(file.auth), *of_rate, *_of_telemetry(file), *_EVERYWHERE])


def of_sections(written: Mapping[str, Any]) -> Iterator[Said]:
    """Which keys of the sections are not carried over."""
    yield from unknown("$.app", written.get("app") or {}, App, _OF_APP)
    yield from unknown("$.rate_limit", written.get("rate_limit") or {}, RateLimit)
    yield from unknown("$.auth", written.get("auth") or {}, Auth)


def _of_app(app: App) -> Iterator[Said]:
    if app.scan_prompt_timeout != app.scan_output_timeout:
        yield Said("`$.app`", Note("prompts and outputs share one time-out here, the longer one; a scan ends with 504"))
    if max(app.scan_prompt_timeout, app.scan_output_timeout) > _LONGEST_SCAN:
        yield Said("`$.app`", Note(f"a scan may take {_LONGEST_SCAN} seconds at most"))
    if app.scan_fail_fast:
        yield Said("`$.app.scan_fail_fast`", Note("not carried over: `stops: true` on a rule that blocks ends a scan"))
    if app.log_level.lower() not in ("debug", "info", "warning", "error"):
        yield Said("`$.app.log_level`", Note("not carried over: `log_level` is debug, info, warning or error"))


def _of_auth(auth: Auth | None) -> Iterator[Said]:
    if auth is None:
        yield Said(
            "`$.auth`", Note("is missing, so that anybody may call: `allow_anonymous: true`; better remove that")
        )
        return
    secret = auth.token or auth.password
    short = secret is not None and len(str(secret)) < _SHORTEST_KEY
    yield Said(
        "`$.auth`",
        Note(
            "credentials are not written into the file: set SCANNER_API_KEYS=NAME=KEY, a key of at least "
            f"{_SHORTEST_KEY} characters" + (", which the one there has not; make another" if short else "")
        ),
    )
    if auth.type == "http_basic":
        yield Said(
            "`$.auth.type`", Note("Basic credentials have the key as user name or password, whatever the other is")
        )


def _of_rate(asked: RateLimit) -> tuple[int | None, list[Said]]:
    if not asked.enabled:
        return None, []
    rates = [_RATE.fullmatch(each) for each in re.split("[,;|]", asked.limit)]
    if None in rates:
        raise ConfigError("`$.rate_limit.limit`: not a rate such as 100/minute; write one or several, parted by `;`")
    lowest = min(
        int(rate["count"]) * 60 / (int(rate["times"] or 1) * _SECONDS[rate["unit"].lower()]) for rate in rates if rate
    )
    per_minute = max(1, min(int(lowest), _HIGHEST_RATE))
    rounded = "" if per_minute == lowest else ", rounded"
    text = f"{per_minute} requests per minute{rounded}, counted for each key here, there for each address"
    return per_minute, [Said("`$.rate_limit.limit`", Note(text))]


def _of_telemetry(file: File) -> Iterator[Said]:
    if file.metrics is not None:
        yield Said(
            "`$.metrics`", Note("not carried over: `/metrics` is always there for Prometheus, nothing is pushed")
        )
    if file.tracing is not None:
        why = "not carried over: set OTEL_EXPORTER_OTLP_TRACES_ENDPOINT to its endpoint; traces are not printed here"
        yield Said("`$.tracing`", Note(why))
