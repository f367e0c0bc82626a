"""An exchange over a socket, or over asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

from scanner_client import streams
from scanner_client.errors import Unavailable
from scanner_client.exchange import PIECE_BYTES, Exchange, lost
from scanner_client.settings import CONNECT_SECONDS, Settings
from scanner_client.usage import Usage

# A connection to a service that does not take what was sent is broken off after this time.
CLOSE_SECONDS = 1.0


def scan(exchange: Exchange, settings: Settings, usage: Usage, pieces: Iterable[str], timeout: float) -> Iterator[str]:
    """The texts of *pieces* that may be shown; what has come is yielded after each piece was sent."""
    with usage.stream(exchange.transcript):
        told = streams.begun(pieces)
        with contextlib.closing(_Link(_connect(exchange, settings, min(timeout, CONNECT_SECONDS)), timeout)) as link:
            link.send(exchange.start())
            for data in (line for piece in told for line in exchange.piece(piece)):
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
            raise lost(error) from error
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
            return self._socket.recv(PIECE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            raise
        except OSError as error:
            raise lost(error) from error


def _connect(exchange: Exchange, settings: Settings, timeout: float) -> socket.socket:
    try:
        if settings.socket:
            return _connect_unix(settings.socket, timeout)
        connection = socket.create_connection(exchange.address, timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = exchange.tls()
        return tls.wrap_socket(connection, server_hostname=exchange.address[0]) if tls else connection
    except OSError as error:
        raise _unreached(error, settings) from error


def _unreached(error: BaseException, settings: Settings) -> Unavailable:
    return lost(error, f"no connection to the scanner service at {settings.address}")


def _connect_unix(path: str, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


async def scan_async(
    exchange: Exchange,
    settings: Settings,
    usage: Usage,
    pieces: Iterable[str] | AsyncIterable[str],
    timeout: float,
) -> AsyncIterator[str]:
    """The texts of *pieces* that may be shown, as they come."""
    with usage.stream(exchange.transcript):
        told = await streams.begun_async(pieces)
        reader, writer = await _connect_async(exchange, settings, min(timeout, CONNECT_SECONDS))
        sender = asyncio.ensure_future(_send_all(exchange, writer, told, timeout))
        sender.add_done_callback(lambda sent: sent.cancelled() or sent.exception())  # it may be known to nobody else
        try:
            while not exchange.done:
                for text in exchange.feed(await _receive(reader, sender, timeout)):
                    yield text
        finally:
            sender.cancel()
            await asyncio.wait({sender})
            await _close(writer)
        exchange.transcript.close()


async def _connect_async(
    exchange: Exchange, settings: Settings, timeout: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    opening = (
        asyncio.open_unix_connection(settings.socket)
        if settings.socket
        else asyncio.open_connection(*exchange.address, ssl=exchange.tls())
    )
    try:
        return await asyncio.wait_for(opening, timeout)
    except (OSError, asyncio.TimeoutError) as error:
        raise _unreached(error, settings) from error


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), CLOSE_SECONDS)
    except asyncio.TimeoutError:
        writer.transport.abort()
        await asyncio.sleep(0)  # the turn in which the loop lets go of it
    except OSError:
        pass


async def _send_all(
    exchange: Exchange, writer: asyncio.StreamWriter, pieces: AsyncIterable[str], timeout: float
) -> float:
    """When the service had been told everything, or all that it took."""
    await _send(writer, exchange.start(), timeout)
    async for piece in pieces:
        for data in exchange.piece(piece):
            if not await _send(writer, data, timeout):
                return time.monotonic()  # the answer was given early, and says why
    await _send(writer, exchange.end(), timeout)
    return time.monotonic()


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
        raise lost(error) from error
    return True


async def _receive(reader: asyncio.StreamReader, sender: asyncio.Future[float], timeout: float) -> bytes:
    """What comes next. Its time is the service's own only once it has been told everything."""
    reading = asyncio.ensure_future(reader.read(PIECE_BYTES))
    try:
        both: set[asyncio.Future[Any]] = {reading, sender}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            deadline = sender.result() + timeout  # what the pieces raise is raised here
            await asyncio.wait({reading}, timeout=max(deadline - time.monotonic(), 0.001))
    finally:
        reading.cancel()
    if not reading.done():
        raise lost(TimeoutError())
    try:
        return reading.result()
    except OSError as error:
        raise lost(error) from error
