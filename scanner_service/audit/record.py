"""Recording decisions: handed over by requests, written by a thread of its own."""

from __future__ import annotations

import asyncio
import errno
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from scanner_service.audit.event import Decision, event_of
from scanner_service.audit.sinks import Sink, open_sink
from scanner_service.config import AuditConfig, FileAudit
from scanner_service.errors import AuditFailed, ConfigError
from scanner_service.logs import log_failure

log = logging.getLogger(__name__)

SECRET = "SCANNER_AUDIT_KEY"  # noqa: S105 - the name of a variable
MIN_SECRET_CHARACTERS = 16

# What may wait to be written in one worker: each holds its text.
MAX_WAITING = 4_096
MAX_WAITING_CHARACTERS = 16_777_216
MAX_AT_ONCE = 128

RECORD_SECONDS = 5.0  # a request waits no longer for its event, if it has to
CLOSE_SECONDS = 5.0  # the end of the service waits no longer for the events that are left
REMIND_SECONDS = 60.0  # between two lines in the log about the same trouble


@dataclass(frozen=True, slots=True)
class _Entry:
    decision: Decision
    written: Future[bool] | None = None


class Audit:
    """
    Writes an event for each decision that it is told.

    Args:
        sink: where to.
        key: of the fingerprints.
        required: whether a decision counts only once its event is written.
        on_failure: told `full` or `write`, and how many decisions are not recorded for that reason; or `late`, and how
            many were not recorded in time, and are perhaps later.
    """

    def __init__(self, sink: Sink, key: bytes, *, required: bool, on_failure: Callable[[str, int], object]) -> None:
        self._sink = sink
        self._key = key
        self._required = required
        self._on_failure = on_failure
        self._waiting: deque[_Entry] = deque()
        self._in_hand = 0
        self._characters = 0
        self._closing = False
        self._changed = threading.Condition()
        self._lost = 0
        self._reminded = 0.0
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    async def record(self, decision: Decision) -> None:
        """
        Have *decision* recorded, and wait for it if that is required.

        Raises:
            AuditFailed: if it is required and could not be, or not in time.
        """
        if not self._required:
            self.note(decision)
            return
        entry = _Entry(decision, Future())
        if not self._put(entry) or not await self._is_written(entry):
            raise AuditFailed("the decision could not be recorded")

    def note(self, decision: Decision) -> None:
        """Have *decision* recorded, without waiting for it."""
        self._put(_Entry(decision))

    async def aclose(self) -> None:
        """Write what is left. No decision may follow."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)
        if self._thread.is_alive():
            log.error("could not record decisions before the end", extra={"lost": self._in_hand + len(self._waiting)})

    async def _is_written(self, entry: _Entry) -> bool:
        assert entry.written is not None  # noqa: S101 - for the type checker
        try:
            async with asyncio.timeout(RECORD_SECONDS):
                return await asyncio.wrap_future(entry.written)
        except TimeoutError:
            self._on_failure("late", 1)
            return False

    def _put(self, entry: _Entry) -> bool:
        with self._changed:
            after = self._characters + len(entry.decision.text)
            full = len(self._waiting) >= MAX_WAITING or (bool(self._waiting) and after > MAX_WAITING_CHARACTERS)
            if not full:
                self._waiting.append(entry)
                self._characters = after
                self._changed.notify()
        if full:
            self._on_failure("full", 1)
        return not full

    def _run(self) -> None:
        while entries := self._next():
            try:
                self._sink.write([event_of(entry.decision, self._key) for entry in entries])
            except Exception as error:  # noqa: BLE001 - whatever is wrong, the next events are to be tried
                self._fail(error, len(entries))
                _settle(entries, written=False)
            else:
                self._succeed()
                _settle(entries, written=True)
        self._sink.close()

    def _next(self) -> Sequence[_Entry]:
        """What is to be written next, as much as there is; nothing once there is nothing left and no more will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            entries = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_AT_ONCE))]
            self._in_hand = len(entries)
            self._characters -= sum(len(entry.decision.text) for entry in entries)
            return entries

    def _fail(self, error: Exception, count: int) -> None:
        self._on_failure("write", count)
        self._lost += count
        now = time.monotonic()
        if not self._reminded or now - self._reminded >= REMIND_SECONDS:
            self._reminded = now
            code = errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None
            log_failure(log, "could not record decisions", error, lost=self._lost, code=code)

    def _succeed(self) -> None:
        if self._lost:
            log.warning("decisions are recorded again", extra={"lost": self._lost})
            self._lost, self._reminded = 0, 0.0


def begin(
    config: AuditConfig | None,
    environment: Mapping[str, str],
    key: bytes,
    on_failure: Callable[[str, int], object],
) -> Audit | None:
    """
    The audit log that *config* asks for, if any.

    Args:
        config: the entry `audit` of the configuration.
        environment: of which `SCANNER_AUDIT_KEY` is the key of the fingerprints.
        key: the key where that is not set.
        on_failure: see `Audit`.

    Raises:
        ConfigError: if the key is too short to be one, or a package is missing.
    """
    if config is None:
        return None
    return Audit(open_sink(config), _read_key(environment) or key, required=config.required, on_failure=on_failure)


def check(config: AuditConfig | None, environment: Mapping[str, str], *, write: bool) -> None:
    """
    Find out before the start whether *config* can be used; with *write*, open the file that it names.

    Raises:
        ConfigError: as `begin`, or if the file cannot be opened.
    """
    _read_key(environment)
    if config is not None:
        sink = open_sink(config)
        try:
            if write:
                sink.write(())
        except OSError as error:
            file = config.path if isinstance(config, FileAudit) else "standard output"
            raise ConfigError(f"{file}: cannot be written: {error.strerror} - at `$.audit`") from None
        finally:
            sink.close()


def _read_key(environment: Mapping[str, str]) -> bytes:
    """
    What `SCANNER_AUDIT_KEY` says; empty if it says nothing.

    Raises:
        ConfigError: if it is too short to be a key.
    """
    secret = environment.get(SECRET, "")
    if secret and len(secret) < MIN_SECRET_CHARACTERS:
        raise ConfigError(f"{SECRET} is shorter than {MIN_SECRET_CHARACTERS} characters")
    return secret.encode()


def _settle(entries: Sequence[_Entry], *, written: bool) -> None:
    for entry in entries:
        if entry.written is not None and entry.written.set_running_or_notify_cancel():
            entry.written.set_result(written)
