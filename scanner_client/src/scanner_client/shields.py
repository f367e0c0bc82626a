"""Scan while the LLM already works: its answer is kept back until the verdict, and dropped if that is bad."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    import asyncio

    from scanner_client.async_client import AsyncClient
    from scanner_client.client import Client

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

# How long a cancelled call may tidy up before the verdict is raised without waiting for it.
TIDY_SECONDS = 1.0

_END: Any = object()


def in_thread(check: Callable[[], object], call: Callable[[], T]) -> T:
    """
    What *call* returns in a thread of its own, once *check* returned.

    If *check* raises, that is raised at once, and what *call* returns later is closed if it can be.
    """
    answer: Future[T] = Future()
    run = functools.partial(contextvars.copy_context().run, _fill, answer, call)
    threading.Thread(target=run, name="scanner-client-shield", daemon=True).start()
    try:
        check()
    except BaseException:
        answer.add_done_callback(_discard)
        raise
    return answer.result()


def _fill(answer: Future[Any], call: Callable[[], Any]) -> None:
    try:
        begun = call()
        # The body of a generator runs when it is asked: for its first piece now, so that the LLM is at work.
        answer.set_result(_ahead(cast("Generator[Any, None, None]", begun)) if inspect.isgenerator(begun) else begun)
    except BaseException as error:  # noqa: BLE001  # it is raised where the answer is awaited
        answer.set_exception(error)


def _ahead(pieces: Generator[T, None, None]) -> Generator[T, None, None]:
    first = next(pieces, _END)

    def resume() -> Generator[T, None, None]:
        with contextlib.closing(pieces):
            if first is not _END:
                yield first
            yield from pieces

    return resume()


def _discard(answer: Future[Any]) -> None:
    if answer.exception() is None and callable(close := getattr(answer.result(), "close", None)):
        with contextlib.suppress(Exception):
            close()


async def in_task(check: Awaitable[object], call: Callable[[], Any] | Awaitable[T]) -> T:
    """
    What *call* comes to in a task of its own, once *check* is done.

    If *check* raises, the task is cancelled and that is raised; what the task came to is closed if it can be.
    """
    import asyncio

    beginning = _begin(call)
    answer = asyncio.ensure_future(beginning)
    try:
        await check
    except BaseException:
        if inspect.getcoroutinestate(beginning) == inspect.CORO_CREATED:
            _refuse(call)
        answer.cancel()
        await asyncio.wait({answer}, timeout=TIDY_SECONDS)
        await _drop(answer)
        raise
    return await answer  # type: ignore[no-any-return]


def _refuse(call: Any) -> None:
    """End *call*, which no task awaits: a coroutine, or what is at work already, such as a task."""
    if inspect.iscoroutine(call):
        call.close()
    elif inspect.isawaitable(call) and callable(cancel := getattr(call, "cancel", None)):
        cancel()


async def _begin(call: Callable[[], Any] | Awaitable[Any]) -> Any:
    begun = call() if callable(call) else call
    if inspect.isawaitable(begun):
        begun = await begun
    if inspect.isasyncgen(begun):
        return await _ahead_async(cast("AsyncGenerator[Any, None]", begun))
    return begun


async def _ahead_async(pieces: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    first = await anext(pieces, _END)

    async def resume() -> AsyncGenerator[T, None]:
        try:
            if first is not _END:
                yield first
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()

    return resume()


async def _drop(answer: asyncio.Future[Any]) -> None:
    if not answer.done() or answer.cancelled() or answer.exception() is not None:
        return
    begun = answer.result()
    if callable(close := getattr(begun, "aclose", None) or getattr(begun, "close", None)):
        with contextlib.suppress(Exception):
            closing = close()
            if inspect.isawaitable(closing):
                await closing


def guarded(client: Client | AsyncClient, *, argument: str | None = None) -> Callable[[F], F]:
    """
    A decorator: the function runs while its prompt is scanned, and its answer shows only if that is harmless.

    Functions, generators, coroutine functions and asynchronous generators alike; the latter two need an `AsyncClient`.

    Args:
        argument: the parameter that holds the prompt; otherwise `prompt`, or else the first one.

    Raises:
        TypeError: when decorating, if function and client don't go together or there is no such parameter.
    """
    from scanner_client.async_client import AsyncClient

    def decorate(function: F) -> F:
        prompt_of = _prompt_reader(function, argument)
        is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
        if is_async is not isinstance(client, AsyncClient):
            raise TypeError("an asynchronous function needs an AsyncClient, any other a Client")

        def shield(args: tuple[Any, ...], options: dict[str, Any]) -> Any:
            return client.shield(prompt_of(args, options), lambda: function(*args, **options))

        return functools.wraps(function)(_like(function, shield))  # type: ignore[return-value]

    return decorate


def _like(function: Callable[..., Any], shield: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the same sort as *function* that does what *shield* does."""

    async def stream(*args: Any, **options: Any) -> AsyncGenerator[Any, None]:
        async for piece in await shield(args, options):
            yield piece

    async def answer(*args: Any, **options: Any) -> Any:
        return await shield(args, options)

    def pieces(*args: Any, **options: Any) -> Generator[Any, None, None]:
        yield from shield(args, options)

    if inspect.isasyncgenfunction(function):
        return stream
    if inspect.iscoroutinefunction(function):
        return answer
    return pieces if inspect.isgeneratorfunction(function) else lambda *args, **options: shield(args, options)


def _prompt_reader(
    function: Callable[..., Any], argument: str | None
) -> Callable[[tuple[Any, ...], dict[str, Any]], str]:
    signature = inspect.signature(function)
    names = [name for name in signature.parameters if name not in ("self", "cls")]
    name = argument or ("prompt" if "prompt" in names else next(iter(names), ""))
    if name not in names:
        raise TypeError(f"{function.__name__} has no parameter {name!r} that could hold the prompt")

    def read(args: tuple[Any, ...], options: dict[str, Any]) -> str:
        bound = signature.bind(*args, **options)
        bound.apply_defaults()
        return bound.arguments[name]  # type: ignore[no-any-return]

    return read
