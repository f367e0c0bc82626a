"""
Streams that are answered while they are still being sent.

`httpx2`, like every client of its kind, reads the answer after the request. This reads it meanwhile, over a connection
of its own, with the HTTP library that `httpx2` itself is built on. Proxies are not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import h11
import httpx2

from scanner_client import streams
from scanner_client.answers import Reply, failure_of
from scanner_client.errors import TimedOut, Unavailable
from scanner_client.settings import CONNECT_SECONDS, Settings

if TYPE_CHECKING:
    from scanner_client.protocol import Options
    from scanner_client.results import PromptAnalysis

_BYTES = 65_536

# A connection that the other side does not let go of is left to the loop after this time.
CLOSE_SECONDS = 1.0


class Exchange:
    """
    One request and its answer as bytes, without any I/O.

    Attributes:
        address: host and port.
        done: whether the answer is complete.
        transcript: what it says.
    """

    def __init__(self, settings: Settings, prompt: str | PromptAnalysis, options: Options) -> None:
        self.url = urlsplit(settings.base_url)
        self.done = False
        self.address = (self.url.hostname or "localhost", self.url.port or (443 if self.url.scheme == "https" else 80))
        self._http = h11.Connection(h11.CLIENT)
        self._first = streams.first_line(prompt, options)
        self._headers = {"host": self.url.netloc.rpartition("@")[2], "transfer-encoding": "chunked"}
        self._headers |= {**settings.headers, **streams.headers(options), "connection": "close"}
        self._reply: h11.Response | None = None
        self._body = b""
        self.transcript = streams.Transcript()

    def tls(self) -> ssl.SSLContext | None:
        """What to encrypt with, None for plain HTTP."""
        return httpx2.create_ssl_context() if self.url.scheme == "https" else None

    def start(self) -> bytes:
        """The head of the request and its first line."""
        target = self.url.path + streams.PATH
        head = h11.Request(method="POST", target=target, headers=list(self._headers.items()))
        return self._send(head) + self._send(h11.Data(data=self._first))

    def piece(self, piece: str) -> Iterator[bytes]:
        """*piece* as part of the request."""
        return (self._send(h11.Data(data=line)) for line in streams.lines_of(piece))

    def end(self) -> bytes:
        """The end of the request."""
        return self._send(h11.EndOfMessage())

    def feed(self, data: bytes) -> Iterator[str]:
        """
        The texts in *data* that may be shown; no *data* means that the connection was closed.

        Raises:
            ScanFailed: the answer is a failure or breaks off.
        """
        try:
            self._http.receive_data(data)
            while not self.done:
                event = self._http.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return
                yield from self._read(event)
        except h11.RemoteProtocolError:
            raise Unavailable("the stream broke off") from None

    def _send(self, event: h11.Event) -> bytes:
        return self._http.send(event) or b""

    def _read(self, event: object) -> Iterator[str]:
        if isinstance(event, h11.Response):
            self._reply = event
        elif isinstance(event, h11.Data) and self._reply:
            if self._reply.status_code == 200:
                yield from self.transcript.feed(bytes(event.data))
            else:
                self._body += event.data
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            self.done = True
            if self._reply and self._reply.status_code != 200:
                raise failure_of(Reply(self._reply.status_code, _texts(self._reply), self._body))


def _texts(reply: h11.Response) -> Mapping[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reply.headers}


def scan(exchange: Exchange, settings: Settings, pieces: Iterable[str], timeout: float) -> Iterator[str]:
    """The texts of *pieces* that may be shown; what has come is yielded after each piece was sent."""
    with contextlib.closing(_Link(_connect(exchange, settings), timeout)) as link:
        link.send(exchange.start())
        for data in (line for piece in pieces for line in exchange.piece(piece)):
            if not link.send(data):
                break  # the answer was given early, and says why
            while (received := link.ready()) is not None and not exchange.done:
                yield from exchange.feed(received)
            if exchange.done:
                break
        else:
            link.send(exchange.end())
        link.deadline = time.monotonic() + timeout
        while not exchange.done:
            yield from exchange.feed(link.receive())
    exchange.transcript.close()


class _Link:
    """A socket whose errors are failures."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self._socket = connection
        self._timeout = timeout
        self.deadline = 0.0

    def send(self, data: bytes) -> bool:
        """Whether the other side still takes *data*."""
        self._socket.settimeout(self._timeout)
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        except OSError as error:
            raise _lost(error) from error
        return True

    def ready(self) -> bytes | None:
        """What has come so far; None if that is nothing."""
        self._socket.settimeout(0)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            return self._read()
        return None

    def receive(self) -> bytes:
        """What comes next."""
        self._socket.settimeout(max(self.deadline - time.monotonic(), 0.001))
        return self._read()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _read(self) -> bytes:
        try:
            return self._socket.recv(_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            raise
        except OSError as error:
            raise _lost(error) from error


def _connect(exchange: Exchange, settings: Settings) -> socket.socket:
    try:
        if settings.socket:
            return _connect_unix(settings.socket)
        connection = socket.create_connection(exchange.address, CONNECT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = exchange.tls()
        return tls.wrap_socket(connection, server_hostname=exchange.address[0]) if tls else connection
    except OSError as error:
        raise _lost(error) from error


def _connect_unix(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(CONNECT_SECONDS)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


async def scan_async(
    exchange: Exchange, settings: Settings, pieces: Iterable[str] | AsyncIterable[str], timeout: float
) -> AsyncIterator[str]:
    """The texts of *pieces* that may be shown, as they come."""
    reader, writer = await _connect_async(exchange, settings)
    sender = asyncio.ensure_future(_send_all(exchange, writer, pieces, timeout))
    try:
        while not exchange.done:
            for text in exchange.feed(await _receive(reader, sender, timeout)):
                yield text
    finally:
        sender.cancel()
        await asyncio.wait({sender})
        writer.close()
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), CLOSE_SECONDS)
    exchange.transcript.close()


async def _connect_async(exchange: Exchange, settings: Settings) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    opening = (
        asyncio.open_unix_connection(settings.socket)
        if settings.socket
        else asyncio.open_connection(*exchange.address, ssl=exchange.tls())
    )
    try:
        return await asyncio.wait_for(opening, CONNECT_SECONDS)
    except (OSError, asyncio.TimeoutError) as error:
        raise _lost(error) from error


async def _send_all(
    exchange: Exchange, writer: asyncio.StreamWriter, pieces: Iterable[str] | AsyncIterable[str], timeout: float
) -> None:
    await _send(writer, exchange.start(), timeout)
    async for piece in streams.aiter_any(pieces):
        for data in exchange.piece(piece):
            if not await _send(writer, data, timeout):
                return  # the answer was given early, and says why
    await _send(writer, exchange.end(), timeout)


async def _send(writer: asyncio.StreamWriter, data: bytes, timeout: float) -> bool:
    # Turns of the loop, one to see that an early answer has come and one to read it, before a write fails for it:
    # asyncio then drops what it has not read. Before Python 3.12, `wait_for` gave such turns.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writer.write(data)
    try:
        await asyncio.wait_for(writer.drain(), timeout)
    except (BrokenPipeError, ConnectionResetError):
        return False
    except (OSError, asyncio.TimeoutError) as error:
        raise _lost(error) from error
    return True


async def _receive(reader: asyncio.StreamReader, sender: asyncio.Future[None], timeout: float) -> bytes:
    """What comes next. Silence is the service's fault only once it has been told everything."""
    reading = asyncio.ensure_future(reader.read(_BYTES))
    try:
        both: set[asyncio.Future[Any]] = {reading, sender}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            sender.result()  # what the pieces raise is raised here
            await asyncio.wait({reading}, timeout=timeout)
    finally:
        reading.cancel()
    if not reading.done():
        raise _lost(TimeoutError())
    try:
        return reading.result()
    except OSError as error:
        raise _lost(error) from error


def _lost(error: BaseException) -> Unavailable:
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return TimedOut("the stream broke off: no answer in time")
    return Unavailable(f"the stream broke off: {type(error).__name__}")
