"""The service's log: one JSON object a line, on standard error, with no user text in it."""

from __future__ import annotations

import logging
import math
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

# What a record always carries; anything else was passed as `extra` and is part of the message.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


# Ends of lines to some readers, which JSON leaves as they are.
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}

# A library may say the same thing this often, in seconds; by the words that it says it with.
_SELDOM_SECONDS = 60.0


class JsonFormatter(logging.Formatter):
    """One line a record. JSON escapes line breaks, so that nothing a caller sends can forge a second line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a JSON object."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            entry["error"] = record.exc_info[0].__name__  # its message could quote a text
        return msgspec.json.encode(entry, enc_hook=str).decode().translate(_LINE_ENDS)


def configure(level: str) -> None:
    """Send the logs of this package to standard error as JSON, from *level* up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("scanner_service")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def quieten(library: str, now: Callable[[], float] = time.monotonic) -> None:
    """Send the warnings of *library* to standard error as JSON too, each at most once a minute of the clock *now*."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_seldom(now))
    logger = logging.getLogger(library)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.WARNING)
    logger.propagate = False


def _seldom(now: Callable[[], float]) -> Callable[[logging.LogRecord], bool]:
    said: dict[str, float] = {}

    def let_pass(record: logging.LogRecord) -> bool:
        at = now()  # not `record.created`: nothing would be said for as long as a clock was set back
        if at - said.get(str(record.msg), -math.inf) < _SELDOM_SECONDS:
            return False
        said[str(record.msg)] = at
        return True

    return let_pass


def log_failure(logger: logging.Logger, message: str, error: BaseException, **details: object) -> None:
    """Log type and place of *error*, but not its message, which could quote a text."""
    frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-3:]]
    logger.error(message, extra={**details, "error": type(error).__name__, "at": frames})
