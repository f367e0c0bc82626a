"""What gunicorn loads: the application together with its models, started and stopped by the lifespan protocol."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send

from scanner_service import garbage, logs, traces
from scanner_service.accepted import Accepted
from scanner_service.audit import record
from scanner_service.engine import Engine
from scanner_service.errors import ScannerServiceError
from scanner_service.http.app import create_app
from scanner_service.inference.pool import ModelPool
from scanner_service.metrics import Metrics
from scanner_service.reload import Reloading, begin
from scanner_service.shadow import Shadows
from scanner_service.shared import Shared
from scanner_service.vault import Vault

if TYPE_CHECKING:
    from scanner_service.spans import Spans

log = logging.getLogger(__name__)

QUEUE_SAMPLE_SECONDS = 1.0


class Service:
    """
    The application of one worker. Models are loaded at startup, hence after the fork.

    Args:
        environment: the variables that `docs/configuration.md` lists.

    Attributes:
        is_stopping: whether the worker has been told to stop; set by `server`.
        accepted: the configuration that workers of this server have served before; set by `server`.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._app: ASGIApp | None = None
        self.is_stopping: Callable[[], bool] = lambda: False
        self.accepted: Accepted | None = None
        self._reloading: Reloading | None = None
        self._requests: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or live through a lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is None:
            raise RuntimeError("a request came before the lifespan: the server must support the lifespan protocol")
        else:
            task = cast("asyncio.Task[Any]", asyncio.current_task())
            self._requests.add(task)
            try:
                await self._app(scope, receive, send)
            finally:
                self._requests.discard(task)

    def reload(self) -> None:
        """Read policies and keys again; called by `server`."""
        if self._reloading is not None:
            self._reloading.want()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with self._started():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except ScannerServiceError as error:
            log.error("cannot start", extra={"reason": str(error)})  # noqa: TRY400 - the reason says it all
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[None]:
        assembly = begin(self._environment, self.accepted)
        logs.configure(assembly.config.log_level)
        vault = Vault.load(self._environment, assembly.config.vault_lifetime_seconds)
        metrics = Metrics()
        reloading = Reloading(assembly, self._environment, metrics, self.accepted)
        self._reloading = reloading
        shared = Shared.load(self._environment, lambda operation: metrics.redis_failures.labels(operation).inc())
        spans = _spans(self._environment)
        pool = assembly.make_pool(metrics.count_windows)
        audit = record.begin(
            assembly.config.audit,
            self._environment,
            vault.audit_key,
            lambda reason, count: metrics.audit_failures.labels(reason).inc(count),
        )
        engine = Engine(pool, assembly.config.scan_timeout_seconds)
        shadows = Shadows(engine, metrics)
        self._app = create_app(
            config=assembly.config,
            engine=engine,
            served=lambda: reloading.served,
            metrics=metrics,
            vault=vault,
            shadows=shadows,
            ready=lambda: pool.ready and not self.is_stopping(),
            shared=shared,
            audit=audit,
            workers=int(self._environment.get("SCANNER_WORKERS") or 1),
            spans=spans,
        )
        tasks: list[asyncio.Task[None]] = []
        try:
            await pool.start()
            metrics.show_models({name: model.digest for name, model in pool.info.items()})
            garbage.begin()
            works = (
                _sample(pool, metrics),
                reloading.watch(),
                garbage.collect(lambda: not any(pool.queued_windows.values())),
            )
            tasks += [asyncio.create_task(work) for work in works]
            yield
        finally:
            # What has not ended by now, a stream above all, is recorded, counted and traced as if its caller had left.
            for task in (*tasks, *self._requests):
                task.cancel()
            await asyncio.gather(*self._requests, return_exceptions=True)
            await shadows.aclose()
            await pool.aclose()
            engine.close()
            await asyncio.gather(*(part.aclose() for part in (audit, shared, spans) if part is not None))


def _spans(environment: Mapping[str, str]) -> Spans | None:
    if not traces.wanted(environment):
        return None
    from scanner_service.spans import Spans

    return Spans()


async def _sample(pool: ModelPool, metrics: Metrics) -> None:
    """Write down how long the queues are; with several workers nobody else could."""
    while True:
        for model, windows in pool.queued_windows.items():
            metrics.queued.labels(model).set(windows)
        await asyncio.sleep(QUEUE_SAMPLE_SECONDS)


app = Service(os.environ)
