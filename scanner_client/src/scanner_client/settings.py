"""Where the service is and who asks: arguments first, then the environment."""

from __future__ import annotations

import functools
import os
import platform
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx2

from scanner_client._version import __version__
from scanner_client.answers import Lost, Reply
from scanner_client.errors import InvalidRequest, UnexpectedAnswer
from scanner_client.options import check_limits
from scanner_client.protocol import OnUnavailable, Protocol

# A connection that is not made in this time is worth another try; the rest of the call's time is for the answer.
CONNECT_SECONDS: Final = 5.0

# Enough for every thread of a busy process to keep its own connection.
POOL: Final = httpx2.Limits(max_connections=1000, max_keepalive_connections=1000)

USER_AGENT: Final = f"scanner-client/{__version__} python/{platform.python_version()} httpx2/{httpx2.__version__}"


_VALUE: Final = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What a client was told.

    Attributes:
        base_url: in front of every path, without a slash at its end.
        socket: the Unix socket to connect to instead of the host of *base_url*.
        headers: on every request.
    """

    base_url: str
    socket: str | None
    headers: Mapping[str, str] = field(repr=False)
    protocol: Protocol

    @classmethod
    def read(
        cls,
        url: str | None,
        api_key: str | None,
        *,
        timeout: float,
        max_retries: int,
        on_unavailable: OnUnavailable,
        headers: Mapping[str, str] | None,
    ) -> Settings:
        """
        Settings from arguments, and from the environment where they are None.

        Raises:
            ValueError: there is no URL, or a wrong one; a key or header that can't be sent; a limit or a choice that is
                none.
        """
        if on_unavailable not in ("raise", "block", "allow"):
            raise ValueError('on_unavailable must be "raise", "block" or "allow"')
        check_limits(timeout, max_retries)
        base_url, socket, user = split_url(url or environment("URL") or "")
        key = environment("API_KEY") if api_key is None else api_key
        authorization = f"Basic {user}" if user else f"Bearer {key}" if key else None
        if not _VALUE.fullmatch("".join([authorization or "", *(headers or {}).values()])):
            raise ValueError("the API key and all headers must be visible ASCII characters")
        sent = {"user-agent": USER_AGENT} | ({"authorization": authorization} if authorization else {})
        protocol = Protocol(timeout, max_retries, on_unavailable)
        return cls(base_url, socket, sent | {n.lower(): v for n, v in (headers or {}).items()}, protocol)

    def request(self, path: str, content: object, headers: Mapping[str, str], timeout: float) -> dict[str, Any]:
        """The arguments of a POST by `httpx2`."""
        return {
            "url": self.base_url + path,
            "content": content,
            "headers": {**self.headers, **headers},
            "timeout": httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            "follow_redirects": False,  # a prompt goes where it was sent, and nowhere else
        }

    @property
    def address(self) -> str:
        """Where the service is, for messages: without a path, which may be a secret."""
        return f"unix://{self.socket}" if self.socket else "://".join(urlsplit(self.base_url)[:2])

    def reply(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        """An answer to what was sent with these settings."""
        return Reply(status, headers, body, has_key=not self.headers.keys().isdisjoint(("authorization", "x-api-key")))

    def loss(self, error: httpx2.RequestError) -> Lost:
        """
        What *error* of the HTTP library means for the call.

        Raises:
            InvalidRequest: the request could not even be written.
            UnexpectedAnswer: an answer came, but its encoding is broken.
        """
        name = type(error).__name__
        if isinstance(error, (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol)):
            raise InvalidRequest(f"the request can't be sent: {name}") from error
        if not isinstance(error, httpx2.TransportError):
            raise UnexpectedAnswer(f"the answer can't be read: {name}") from error
        if isinstance(error, httpx2.ConnectError):
            name += f": {error}"  # of the system: nobody has answered, and nothing was said yet
        return Lost(self.address, name, timed_out=isinstance(error, httpx2.TimeoutException))


def certificates() -> ssl.SSLContext:
    """The certificates that are trusted, as `httpx2` finds them."""
    return _certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@functools.cache
def _certificates(*_where: str | None) -> ssl.SSLContext:
    # To read them takes as long as several scans, and an event loop stands still meanwhile: once is enough.
    return httpx2.create_ssl_context()


def environment(name: str) -> str | None:
    """The value of `SCANNER_<name>`, or of `LLM_GUARD_<name>` where that is unset or empty."""
    return os.environ.get(f"SCANNER_{name}") or os.environ.get(f"LLM_GUARD_{name}") or None


def split_url(url: str) -> tuple[str, str | None, str | None]:
    """
    Base URL, Unix socket, and credentials for Basic authentication in *url*.

    ```
    http://scanner:8000/prefix       the prefix is kept
    http://key:@scanner:8000         the key leaves the URL and is sent in a header
    unix:///run/scanner.sock         the path of the socket
    http+unix://%2Frun%2Fscanner.sock/prefix
    ```

    Raises:
        ValueError: it is none of these. The message does not repeat it: there may be a key inside.
    """
    if not url:
        raise ValueError("no URL of the scanner service: pass url= or set SCANNER_URL")
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment):
            user, _, host = parts.netloc.rpartition("@")
            base_url = _checked(f"{parts.scheme}://{host}{parts.path}")
            return base_url, None, b64encode(unquote(user).encode()).decode() if user else None
        if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
            return "http://localhost", unquote(parts.path), None
        if parts.scheme == "http+unix" and parts.netloc:
            return _checked(f"http://localhost{parts.path}"), unquote(parts.netloc), None
    except (ValueError, httpx2.InvalidURL):
        raise ValueError("the URL of the scanner service has a host, a port or a character that no URL has") from None
    raise ValueError("the URL of the scanner service must start with http://, https:// or unix:///")


def _checked(base_url: str) -> str:
    """
    *base_url* as it is sent, without a slash at its end.

    Raises:
        ValueError: its port is none, or its host is no name that could be resolved.
        httpx2.InvalidURL: it is not written like a URL.
    """
    sent = httpx2.URL(base_url)
    urlsplit(base_url).port  # noqa: B018  # raises where it is over 65535
    sent.raw_host.decode().encode("idna")  # raises where a label is empty or too long, as resolving would
    return str(sent).rstrip("/")
