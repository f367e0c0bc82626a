"""
A stream that is answered while it is still being sent, as bytes.

`httpx2`, like every client of its kind, reads the answer after the request. This reads it meanwhile, over a connection
of its own (`live`), with the HTTP library that `httpx2` itself is built on. Proxies are not used.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import h11

from scanner_client import streams
from scanner_client.answers import failure_of
from scanner_client.errors import TimedOut, Unavailable
from scanner_client.settings import Settings, certificates

if TYPE_CHECKING:
    from scanner_client.options import Options
    from scanner_client.results import PromptAnalysis

PIECE_BYTES = 65_536  # read at once


class Exchange:
    """
    One request and its answer as bytes, without any I/O.

    Attributes:
        address: host and port.
        done: whether the answer is complete.
        transcript: what it says.
    """

    def __init__(self, settings: Settings, prompt: str | PromptAnalysis, options: Options) -> None:
        self._settings = settings
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
        return certificates() if self.url.scheme == "https" else None

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
                reply = self._settings.reply(self._reply.status_code, _texts(self._reply), self._body)
                raise failure_of(reply)


def _texts(reply: h11.Response) -> Mapping[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reply.headers}


def lost(error: BaseException, what: str = "the stream broke off") -> Unavailable:
    """The failure that *error* of a connection is; *what* it means."""
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return TimedOut(f"{what}: no answer in time")
    return Unavailable(f"{what}: {type(error).__name__}")
