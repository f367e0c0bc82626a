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


def check_content_type(headers: Headers) -> None:
    """
    Refuse a body that does not say it is plain JSON.

    Raises:
        UnsupportedMediaType: if the type is missing or another one, the text is not UTF-8, or it is compressed.
    """
    media_type, *parameters = headers.get("content-type", "").lower().split(";")
    charsets = [value.strip().removeprefix("charset=").strip('"') for value in parameters if "charset=" in value]
    if media_type.strip() != "application/json" or set(charsets) - {"utf-8", "utf8"}:
        raise UnsupportedMediaType("the content type must be `application/json`, in UTF-8")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("the body must not be compressed")


async def read_body(receive: Receive, headers: Headers, max_bytes: int, seconds: float) -> bytes:
    """
    The body of a request.

    Raises:
        RequestTooLarge: as soon as it is known that there are more than *max_bytes*.
        BodyTimeout: if it has not arrived after *seconds*.
        CallerGone: if the caller hangs up before the end.
    """
    too_large = RequestTooLarge(f"the body has more than {max_bytes} bytes")
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise CallerGone("the caller hung up")
                body += message.get("body", b"")
                if len(body) > max_bytes:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise BodyTimeout("the body did not arrive in time") from None


async def unless_gone(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """
    The result of *work*, which is cancelled when the caller hangs up.

    Raises:
        CallerGone: if that happens first.
    """
    wanted = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait({wanted, gone}, return_when=asyncio.FIRST_COMPLETED)
        if wanted.done():
            return wanted.result()
        raise CallerGone("the caller hung up")
    finally:
        wanted.cancel()
        gone.cancel()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
