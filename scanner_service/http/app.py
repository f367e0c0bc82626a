"""The application: routes, middleware and what an error becomes, in one expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from scanner_service.audit.record import Audit
from scanner_service.config import Config
from scanner_service.engine import Engine
from scanner_service.errors import ScannerServiceError
from scanner_service.http import openapi, pages
from scanner_service.http.envelope import Envelope
from scanner_service.http.errors import answer_to, response_to
from scanner_service.http.exchange import exchange
from scanner_service.http.health import Health
from scanner_service.http.limits import Admission
from scanner_service.http.resources import Resources, Served
from scanner_service.http.scans import Scans
from scanner_service.http.streams import Streams
from scanner_service.metrics import Metrics
from scanner_service.rates import Rates
from scanner_service.shadow import Shadows
from scanner_service.shared import Shared
from scanner_service.vault import Vault
from scanner_service.verdict_cache import VerdictCache

if TYPE_CHECKING:
    from scanner_service.spans import Spans


def create_app(
    *,
    config: Config,
    engine: Engine,
    served: Callable[[], Served],
    metrics: Metrics,
    vault: Vault,
    shadows: Shadows,
    ready: Callable[[], bool],
    shared: Shared | None = None,
    audit: Audit | None = None,
    workers: int = 1,
    spans: Spans | None = None,
) -> Starlette:
    """
    The service as an ASGI application, without a lifespan: what it is given is started and stopped by others.

    Args:
        config: limits and time-outs.
        engine: what scans.
        served: what requests are answered with.
        metrics: what counts.
        vault: what seals the values that were replaced.
        shadows: what scans again for shadow policies.
        ready: what `/readyz` answers.
        shared: what replicas share, if anything.
        audit: what records decisions, if anything does.
        workers: processes that answer for this server.
        spans: what sends traces, if anything.
    """
    resources = Resources(
        config=config,
        engine=engine,
        served=served,
        metrics=metrics,
        vault=vault,
        admission=Admission(config.limits.max_concurrent_requests),
        rates=_rates(config, shared, workers),
        cache=VerdictCache(
            engine,
            vault.verdicts_key,
            entries=config.limits.verdict_cache_entries,
            max_bytes=config.limits.verdict_cache_bytes,
            seconds=config.limits.verdict_cache_seconds,
            count=lambda level, outcome: metrics.recalled.labels(level, outcome).inc(),
            shared=shared,
        ),
        shadows=shadows,
        audit=audit,
    )
    scans, streams = Scans(resources), Streams(resources)
    health = Health(ready, metrics, (lambda: served().keys) if config.metrics_require_key else None)
    # In the order in which they are looked through: those first that are called most.
    routes = [
        Route("/analyze/prompt", scans.analyze_prompt, methods=["POST"]),
        Route("/analyze/prompts", scans.analyze_prompts, methods=["POST"]),
        Route("/analyze/output", scans.analyze_output, methods=["POST"]),
        Route("/analyze/output/stream", streams.analyze_output, methods=["POST"]),
        Route("/scan/prompt", scans.scan_prompt, methods=["POST"]),
        Route("/scan/output", scans.scan_output, methods=["POST"]),
        Route("/", health.root),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", health.metrics),
        Route("/openapi.json", openapi.endpoint),
        Route("/docs", pages.docs),
    ]
    paths = [route.path for route in routes]
    scanning = [route.path for route in routes if "POST" in (route.methods or ())]
    retry_after = config.limits.retry_after_seconds

    async def on_error(request: Request, error: Exception) -> Response:
        here = exchange(request.scope)
        here.code = answer_to(error, here.request_id).error.code
        return response_to(error, here.request_id, request.url.path, retry_after)

    app = Starlette(
        routes=routes,
        middleware=[Middleware(Envelope, metrics, paths, retry_after, spans=spans, traced=scanning)],
        exception_handlers={ScannerServiceError: on_error, HTTPException: on_error},
    )
    assert isinstance(app.router, Router)  # noqa: S101
    app.router.redirect_slashes = False  # a redirect would repeat a path that the caller made up
    return app


def _rates(config: Config, shared: Shared | None, workers: int) -> Rates:
    own = {name: key.requests_per_minute for name, key in config.keys.items() if key.requests_per_minute is not None}
    return Rates(config.limits.requests_per_minute, own, workers=workers, shared=shared)
