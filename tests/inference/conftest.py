"""What the tests of inference share: a pool over the tiny model, run to its end."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from scanner_service.inference import manifest
from scanner_service.inference.pool import ModelPool
from tests.inference import tiny

Play = Callable[..., Any]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Starts a pool over a tiny model, hands it to an async function and closes it."""

    def run(
        scene: Callable[[ModelPool], Awaitable[Any]],
        *,
        max_queued_windows: int = 1000,
        count: Callable[[str, str, int], object] = lambda *_: None,
        **files: Any,
    ) -> Any:
        async def with_pool() -> Any:
            path = tiny.write(tmp_path, **files)
            pool = ModelPool(manifest.load(path), ["tiny"], max_queued_windows=max_queued_windows, count=count)
            try:
                await pool.start()
                return await scene(pool)
            finally:
                await pool.aclose()

        return asyncio.run(with_pool())

    return run
