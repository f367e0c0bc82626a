"""What an answer of the service means: a result, or which failure. Statuses and codes are read here alone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from scanner_client import errors, results
from scanner_client.results import PromptAnalysis

T = TypeVar("T")

BatchItem = PromptAnalysis | errors.ScanFailed

# What passes by itself. Scanning has no effects, so that every one of them can be retried.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,256}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MESSAGE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered; the names of headers are in lower case. *has_key*: whether the client sent one."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    has_key: bool = True


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came from *address*; *reason* names the kind of loss."""

    address: str
    reason: str
    timed_out: bool = False


def failure_of(reply: Reply) -> errors.ScanFailed:
    """What *reply*, whose status is not 200, means. Its body is quoted only if it is an error of the service."""
    code, message, request_id = _error_fields(reply.body)
    what = f"the scanner service answered {reply.status}"
    if code:
        what += f" {code}: {message}" if message else f" {code}"
    if reply.status == 401 and not reply.has_key:
        what += "; the client has no key: set SCANNER_API_KEY"
    return _class_of(reply.status)(
        what,
        status=reply.status,
        code=code,
        request_id=request_id or reply.headers.get("x-request-id"),
        retry_after=_seconds(reply.headers.get("retry-after")),
    )


_CLASSES: Mapping[int, type[errors.ScanFailed]] = {
    401: errors.Unauthorized,
    403: errors.Forbidden,
    408: errors.TimedOut,
    429: errors.RateLimited,
    504: errors.TimedOut,
}


def _class_of(status: int) -> type[errors.ScanFailed]:
    if status in _CLASSES:
        return _CLASSES[status]
    if 400 <= status < 500:
        return errors.InvalidRequest
    return errors.Unavailable if status >= 500 else errors.UnexpectedAnswer


def lost(loss: Lost) -> errors.Unavailable:
    """What it means that no answer came."""
    kind = errors.TimedOut if loss.timed_out else errors.Unavailable
    return kind(f"no answer from the scanner service at {loss.address}: {loss.reason}")


def passes(answer: Reply | Lost | None) -> bool:
    """Whether asking again may help."""
    return not isinstance(answer, Reply) or answer.status in _PASSING


def read_answer(answer: Reply | Lost | None, read: Callable[[dict[str, Any]], T]) -> T:
    """
    The result in *answer*, which *read* finds in its JSON object.

    Raises:
        ScanFailed: there is none.
    """
    if isinstance(answer, Lost):
        raise lost(answer)
    if answer is None:
        raise TypeError("a request is answered by a reply or by its loss")
    if answer.status != 200:
        raise failure_of(answer)
    try:
        return read(results.decode(answer.body))
    except errors.UnexpectedAnswer as problem:
        problem.status = answer.status
        problem.request_id = answer.headers.get("x-request-id")
        raise


def read_batch(data: Mapping[str, Any], count: int) -> list[BatchItem]:
    """
    One result or failure for each of *count* prompts, in their order.

    Raises:
        UnexpectedAnswer: there are more, or fewer, or one of them is neither.
    """
    items = data.get("results")
    if not isinstance(items, list) or len(items) != count:
        raise errors.UnexpectedAnswer("the answer does not hold one result for each prompt")
    return [_read_item(item) for item in items]


# The codes of failures that pass; any other code of one prompt among many is about that prompt.
_CODES: Mapping[str, type[errors.ScanFailed]] = {
    "overloaded": errors.Unavailable,
    "audit_failed": errors.Unavailable,
    "internal_error": errors.Unavailable,
    "deadline_exceeded": errors.TimedOut,
    "body_timeout": errors.TimedOut,
    "rate_limited": errors.RateLimited,
    "forbidden": errors.Forbidden,
}


def failure_in(data: Mapping[str, Any]) -> errors.ScanFailed | None:
    """The failure that *data* is, if it is an error of the service inside an answer of status 200."""
    if data.get("error") is None:
        return None
    code, message, request_id = _error_of(data)
    kind = _CODES.get(code or "", errors.InvalidRequest)
    return kind(f"the scanner service answered {code}: {message}", code=code, request_id=request_id)


def _read_item(item: object) -> BatchItem:
    if not isinstance(item, dict):
        raise errors.UnexpectedAnswer("the answer's results hold something that is no object")
    return failure_in(item) or results.read_prompt(item)


def _error_fields(body: bytes) -> tuple[str | None, str, str | None]:
    try:
        return _error_of(results.decode(body))
    except errors.UnexpectedAnswer:
        return None, "", None


def _error_of(data: Mapping[str, Any]) -> tuple[str | None, str, str | None]:
    """Code, message and request id of an error of the service; nothing of anybody else's, who may quote the text."""
    error, request_id = data.get("error"), data.get("request_id")
    if data.get("is_valid") is not False or not isinstance(error, dict):
        return None, "", None
    code, message = error.get("code"), error.get("message")
    return (
        code if isinstance(code, str) and _CODE.fullmatch(code) else None,
        message[:_MESSAGE_CHARACTERS] if isinstance(message, str) else "",
        request_id if isinstance(request_id, str) and _REQUEST_ID.fullmatch(request_id) else None,
    )


def _seconds(retry_after: str | None) -> float | None:
    """The seconds in a `Retry-After`, which holds a number or a date; None if it holds neither."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10:
        return float(retry_after)
    try:
        return max(parsedate_to_datetime(retry_after).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None
