"""
The settings of gunicorn, read by `gunicorn -c python:scanner_service.server`; `scanner-service serve` does that.

Every name that gunicorn does not know is left alone by it.
"""

from __future__ import annotations

import errno
import math
import os
import re
import resource
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from scanner_service import config as configuration
from scanner_service import doubts
from scanner_service.accepted import Accepted
from scanner_service.errors import ConfigError

DEFAULT_BIND = "127.0.0.1:8000"
_HOST_AND_PORT = re.compile(
    r"(?P<host>[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})"
)
# Every variable of ours, with those of the client, which may be set beside them.
VARIABLES = frozenset(
    {
        "SCANNER_API_KEY",
        "SCANNER_API_KEYS",
        "SCANNER_API_KEYS_FILE",
        "SCANNER_AUDIT_KEY",
        "SCANNER_BIND",
        "SCANNER_CONFIG",
        "SCANNER_MODELS",
        "SCANNER_REDIS_URL",
        "SCANNER_URL",
        "SCANNER_VAULT_KEYS",
        "SCANNER_WORKERS",
    }
)
_OF_KUBERNETES = re.compile(r".*_(SERVICE_HOST|PORT(_.*)?)")  # set in every pod, for a Service called `scanner…`
_MEMORY = "/dev/shm"  # noqa: S108 - the files in it have names that nobody can guess
_HANDLES, _CONNECTIONS = 1024, 768  # what is enough for a worker; see `connections`
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_VAULT = "SCANNER_VAULT_KEYS"


def read_bind(value: str | None) -> list[str]:
    """The addresses in `SCANNER_BIND`: `host:port` or `unix:/path`, comma-separated."""
    addresses = [part.strip() for part in (value or DEFAULT_BIND).split(",") if part.strip()]
    for address in addresses:
        match = _HOST_AND_PORT.fullmatch(address)
        if not address.startswith("unix:/") and not (match and int(match["port"]) < 65536):
            raise ConfigError(
                f"SCANNER_BIND: `{address}` is neither `host:port`, such as `127.0.0.1:8000` or `[::]:8000`, "
                "nor `unix:/path`"
            )
    return addresses


def check_addresses(addresses: Sequence[str]) -> None:
    """
    Try to listen on *addresses*; gunicorn would try for five seconds before it gave up, and take a Unix socket away
    from the server that listens on it.

    Raises:
        ConfigError: naming the address that cannot be listened on, and why.
    """
    for address in addresses:
        try:
            if match := _HOST_AND_PORT.fullmatch(address):
                _try_port(match["host"], int(match["port"]))
            else:
                _try_path(Path(address.removeprefix("unix:")))
        except OSError as error:
            raise ConfigError(f"SCANNER_BIND: cannot listen on `{address}`: {error.strerror or error}") from None


def _try_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
        tried.bind((host.strip("[]"), port))


def _try_path(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as tried:
        if not path.is_socket():
            tried.bind(str(path))
            path.unlink()
            return
        tried.settimeout(0)  # a server that is busy would have us wait
        # What a server that was killed has left refuses; gunicorn replaces it.
        if tried.connect_ex(str(path)) != errno.ECONNREFUSED:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def read_workers(value: str | None) -> int:
    """The number in `SCANNER_WORKERS`."""
    if re.fullmatch("[0-9]{1,4}", value or "1") is None or int(value or "1") < 1:
        raise ConfigError("SCANNER_WORKERS: not a number from 1 to 9999")
    return int(value or "1")


def find_scratch() -> str:
    """
    Where the heartbeat and the counters lie: in memory, where no full disk stops them, or else among temporary files.

    Raises:
        ConfigError: if neither can be written.
    """
    if os.access(_MEMORY, os.W_OK):
        return _MEMORY
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        raise ConfigError(f"TMPDIR: names no folder that can be written, and {_MEMORY} is none either") from None


def count_connections(handles: int) -> int:
    """
    How many connections a worker keeps whose process may have so many file *handles*.

    What is over them is accepted before it is hung up on, a hundred at a time; the worker itself has two dozen.
    """
    return min(_CONNECTIONS, max(handles // 2, handles - 256))


def _most_handles() -> int:
    """How many file handles a process may have, of those that are enough."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _HANDLES if hard == resource.RLIM_INFINITY else min(_HANDLES, hard)


def find_unknown(names: Iterable[str]) -> list[str]:
    """Those of *names* that look like variables of ours and are none: a misspelt one would do nothing, silently."""
    ours = (name for name in names if name.startswith("SCANNER_") and not _OF_KUBERNETES.fullmatch(name))
    return sorted(set(ours) - VARIABLES)


def choose_console(loaded: configuration.Config) -> TextIO:
    """What is said to people goes to standard output, unless the audit log does: then nothing else goes there."""
    return sys.stderr if isinstance(loaded.audit, configuration.StdoutAudit) else sys.stdout


try:
    _file = Path(os.environ.get("SCANNER_CONFIG") or configuration.DEFAULT_CONFIG)
    _content = configuration.read(_file)
    _loaded = configuration.load(_file, _content)
    bind = read_bind(os.environ.get("SCANNER_BIND"))
    workers = read_workers(os.environ.get("SCANNER_WORKERS"))
    worker_tmp_dir = find_scratch()
except ConfigError as error:
    sys.stderr.write(f"scanner-service: {error}\n")
    raise SystemExit(2) from None

wsgi_app = "scanner_service.asgi:app"
worker_class = "asgi"
asgi_loop = "asyncio"
http_parser = "python"  # not whatever else is installed: `tests/e2e` attacks this one, and `connections` bounds it
asgi_lifespan = "on"  # a worker whose models do not load must end the server, not serve
control_socket_disable = True  # it would be written to the home folder, which may be read-only
umask = 0o007  # of a Unix socket: for its user and group

# Longer than the clients that are common (httpx: 5 s, aiohttp: 15 s), so that they close first; shorter than the 30 s
# in which Kubernetes wants a stopping container gone, because the server waits for idle connections.
keepalive = 20
_longest_request = math.ceil(_loaded.body_timeout_seconds + _loaded.scan_timeout_seconds)
# How long a worker that was told to stop waits for its requests, and then may take to record and send what is left.
# gunicorn has one time for both, and kills the worker in the moment in which that has waited enough: see `post_fork`.
_wait_seconds, _close_seconds = _longest_request + 3, 7
graceful_timeout = _wait_seconds + _close_seconds
timeout = max(30, _longest_request + 5)  # of the heartbeat, and of a body that stalls
asgi_disconnect_grace_period = 1
_handles = _most_handles()
worker_connections = count_connections(_handles)

limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190


class WithoutAccessLog(Logger):  # type: ignore[misc]
    """
    gunicorn's logger. `http.envelope` logs what was answered, without what was asked.

    `accesslog = None` alone would not do: since there is a `logconfig_dict`, gunicorn would put the line together for
    each request, on the event loop, and throw it away.
    """

    access_log_enabled = False


logger_class = WithoutAccessLog
accesslog = None
logconfig_dict: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "scanner_service.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False}},
}


def on_starting(server: Any) -> None:
    """
    Before the first worker: what all workers share, a folder to add up their metrics in and a vault secret.

    Gunicorn would answer SIGHUP with new workers, and end if those could not use what they read. The workers are asked
    to read it instead, with the signal that gunicorn has for logs to be opened again: ours are not files.
    """
    for name in find_unknown(os.environ):
        server.log.warning("%s is no variable of this service, and is ignored", name)
    for doubt in doubts.find(_content):
        server.log.warning("%s, to no effect: %s", _file, doubt)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _handles:  # what is common is 1,024, or 256
        resource.setrlimit(resource.RLIMIT_NOFILE, (_handles, hard))
    if worker_connections < _CONNECTIONS:
        server.log.warning("%d file handles are few: a worker keeps %d connections", _handles, worker_connections)
    server.accepted = Accepted() if hasattr(os, "memfd_create") else None
    server.handle_hup = lambda: server.kill_workers(signal.SIGUSR1)
    os.environ.pop(_METRICS, None)  # a folder of somebody else, whose counters are not ours
    server.metrics_folder = None
    if workers > 1:
        server.metrics_folder = tempfile.mkdtemp(prefix="scanner-metrics-", dir=worker_tmp_dir)
        os.environ[_METRICS] = server.metrics_folder
    if not os.environ.get(_VAULT):
        os.environ[_VAULT] = secrets.token_urlsafe(32)
        server.log.warning("SCANNER_VAULT_KEYS is not set: redacted values can be put back until this server ends")


def when_ready(server: Any) -> None:
    """Once the sockets are open, before the first worker: where they are, with the port that was found for port 0."""
    console = choose_console(_loaded)
    console.write(f"listening on {', '.join(str(listener) for listener in server.LISTENERS)}\n")
    console.flush()


def post_fork(server: Any, worker: Any) -> None:
    """In a worker, before the application is loaded: what it shares with others, and how long it waits at its end."""
    worker.accepted = server.accepted
    worker.cfg.set("graceful_timeout", _wait_seconds)


def post_worker_init(worker: Any) -> None:
    """In a worker, once the application is loaded: bound its connections, and tell it what the server knows."""
    from gunicorn.workers import gasgi  # type: ignore[import-untyped]

    from scanner_service.connections import BoundedProtocol

    gasgi.ASGIProtocol = BoundedProtocol
    worker.asgi.is_stopping = lambda: not worker.alive
    worker.asgi.accepted = worker.accepted
    worker.loop.add_signal_handler(signal.SIGUSR1, worker.asgi.reload)


def child_exit(server: Any, worker: Any) -> None:
    """After a worker: its gauges count no more."""
    if _METRICS in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """After the last worker."""
    if server.metrics_folder is not None:
        shutil.rmtree(server.metrics_folder, ignore_errors=True)
