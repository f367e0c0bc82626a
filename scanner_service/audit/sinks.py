"""Where events go: standard output or a file, a line of JSON each; see `otlp` for the third."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from scanner_service.audit.event import Event
from scanner_service.config import AuditConfig, FileAudit, OtlpAudit

_STDOUT = 1


class Sink(Protocol):
    """Takes events, in one thread."""

    def write(self, events: Sequence[Event]) -> None:
        """
        Record *events*, all or none; with none, find out whether it could.

        Raises:
            OSError: if they could not be recorded.
        """
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


def open_sink(config: AuditConfig) -> Sink:
    """
    What *config* names, not tried yet.

    Raises:
        ConfigError: if a package is missing.
    """
    if isinstance(config, OtlpAudit):
        from scanner_service.audit.otlp import Otlp

        return Otlp()
    return File(Path(config.path)) if isinstance(config, FileAudit) else Stdout()


class Stdout:
    """Lines on standard output."""

    def write(self, events: Sequence[Event]) -> None:
        """See `Sink`."""
        _append(_STDOUT, events)

    def close(self) -> None:
        """Others may still need it."""


class File:
    """
    Lines in a file that only its owner may read, and that may be taken away to be rotated: then there is a new one.

    Args:
        path: of the file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def write(self, events: Sequence[Event]) -> None:
        """See `Sink`."""
        if self._file is not None and not self._in_place(self._file):
            self.close()
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        _append(self._file, events)

    def close(self) -> None:
        """See `Sink`."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _in_place(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False


def _append(file: int, events: Sequence[Event]) -> None:
    content = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
    with _alone(file):
        before = os.fstat(file).st_size
        try:
            written = 0
            while written < len(content):
                written += os.write(file, content[written:])
        except OSError:
            # Half a line would spoil the next one. What is no file has no end to be cut.
            with contextlib.suppress(OSError):
                os.ftruncate(file, before)
            raise


@contextlib.contextmanager
def _alone(file: int) -> Iterator[None]:
    """No other worker writes meanwhile: a pipe would mix their longer lines, and a file is cut after a failure."""
    fcntl.lockf(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN)
