"""What one worker takes on: requests at once, bytes of a body, seconds for it to arrive, callers that hang up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from starlette.datastructures import Headers
from starlette.types import Receive

from scanner_service.errors import BodyTimeout, CallerGone, Overloaded, RequestTooLarge, UnsupportedMediaType

T = TypeVar("T")


class Admission:
    """
    Counts the requests being answered and turns away what is too much, at once.

    Args:
        limit: how many may be answered at the same time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.admitted = 0

    @property
    def busy(self) -> bool:
        """Whether so much is being answered that what nobody waits for has to stand back."""
        return self.admitted > self._limit // 4

    @contextmanager
    def admit(self) -> Iterator[None]:
        """
        A place for one request.

        Raises:
            Overloaded: if there is none.
        """
        if self.admitted >= self._limit:
            raise Overloaded("as many requests are being answered as may be")
        self.admitted += 1
        try:
            yield
        finally:
            self.admitted -= 1


def check_media_type(headers: Headers, wanted: str) -> None:
    """
    Refuse a body that does not say it is of the media type *wanted*, in UTF-8 and uncompressed.

    Raises:
        UnsupportedMediaType: if the type is missing or another one, the text is not UTF-8, or it is compressed.
    """
    media_type, *parameters = headers.get("content-type", "").lower().split(";")
    charsets = [value.strip().removeprefix("charset=").strip('"') for value in parameters if "charset=" in value]
    if media_type.strip() != wanted or set(charsets) - {"utf-8", "utf8"}:
        raise UnsupportedMediaType(f"the content type must be `{wanted}`, in UTF-8")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("the body must not be compressed")


class Body:
    """
    A request body that arrives in pieces.

    Args:
        receive: where it comes from.
        max_bytes: how long it may be in all.

    Attributes:
        complete: whether it has arrived.
    """

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self.complete = False
        self._receive = receive
        self._max_bytes = max_bytes
        self._read = 0

    async def read(self, seconds: float) -> bytes:
        """
        The next piece.

        Raises:
            RequestTooLarge: if the body is longer than it may be.
            BodyTimeout: if nothing has arrived after *seconds*.
            CallerGone: if the caller hangs up.
        """
        try:
            async with asyncio.timeout(seconds):
                message = await self._receive()
        except TimeoutError:
            raise BodyTimeout("the body did not arrive in time") from None
        if message["type"] == "http.disconnect":
            raise CallerGone("the caller hung up")
        self.complete = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        self._read += len(piece)
        if self._read > self._max_bytes:
            raise RequestTooLarge(f"the body has more than {self._max_bytes} bytes")
        return piece


async def read_body(receive: Receive, headers: Headers, max_bytes: int, seconds: float) -> bytes:
    """
    The whole body of a request.

    Raises:
        RequestTooLarge: as soon as it is known that there are more than *max_bytes*.
        BodyTimeout: if it has not arrived after *seconds*.
        CallerGone: if the caller hangs up before the end.
    """
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise RequestTooLarge(f"the body has more than {max_bytes} bytes")
    body, pieces = Body(receive, max_bytes), bytearray()
    deadline = asyncio.get_running_loop().time() + seconds
    while not body.complete:
        pieces += await body.read(deadline - asyncio.get_running_loop().time())
    return bytes(pieces)


async def unless_gone(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """
    The result of *work*, which is cancelled when the caller hangs up.

    Raises:
        CallerGone: if that happens first.
    """
    here = asyncio.current_task()
    assert here is not None  # noqa: S101 - a coroutine runs in a task
    # As `asyncio.timeout` does it: the work needs no task of its own, and no further turns of the loop.
    watcher = asyncio.ensure_future(_cancel_when_gone(here, receive))
    try:
        return await work
    except asyncio.CancelledError:
        if watcher.done() and not watcher.cancelled() and here.uncancel() == 0:
            raise CallerGone("the caller hung up") from None
        raise
    finally:
        watcher.cancel()


async def _cancel_when_gone(task: asyncio.Task[Any], receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()
