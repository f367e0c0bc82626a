"""Every status code of the service, and the body that goes with an error."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.responses import Response

from scanner_service import errors
from scanner_service.http import wire

STATUS: Mapping[type[BaseException], int] = {
    Exception: 500,
    errors.RequestError: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.BodyTimeout: 408,
    errors.RequestTooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.InvalidRequest: 422,
    errors.RateLimited: 429,
    errors.CallerGone: 499,  # nobody reads it; it is counted
    errors.Overloaded: 503,
    errors.AuditFailed: 503,
    errors.DeadlineExceeded: 504,
}

# What the router says; it has no errors of its own.
_ROUTING = {404: ("not_found", "there is nothing at this path"), 405: ("method_not_allowed", "not with this method")}

_CHALLENGES = (
    (b"www-authenticate", b'Bearer realm="scanner-service"'),
    (b"www-authenticate", b'Basic realm="scanner-service", charset="UTF-8"'),
)


def status_of(error: BaseException) -> int:
    """The status code of *error*: that of the first of its classes that has one."""
    if isinstance(error, HTTPException):
        return error.status_code
    return next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), 500)


def answer_to(error: BaseException, request_id: str, path: str = "") -> wire.ErrorAnswer:
    """
    The body for *error*: no text of the caller, and readable as "invalid" by software that ignores the status.

    What went wrong inside is not told; *request_id* leads to it in the log.
    """
    if isinstance(error, errors.ScannerServiceError) and status_of(error) != 500:
        code, message = error.code, str(error)
    elif isinstance(error, HTTPException):
        code, message = _ROUTING.get(error.status_code, ("request_error", "the request cannot be served"))
    else:
        code, message = "internal_error", "the service failed; the request id leads to the reason in its log"
    return wire.ErrorAnswer(
        error=wire.Error(code=code, message=message),
        request_id=request_id,
        sanitized_output="" if path.endswith("/output") else wire.UNSET,
    )


def response_to(error: BaseException, request_id: str, path: str, retry_after_seconds: int) -> Response:
    """The whole response to *error*, on any path of the service."""
    response = wire.json_response(answer_to(error, request_id, path), status_of(error))
    if isinstance(error, errors.Overloaded | errors.AuditFailed):
        response.headers["retry-after"] = str(retry_after_seconds)
    if isinstance(error, errors.RateLimited):
        response.headers["retry-after"] = str(error.retry_after_seconds)
    if isinstance(error, errors.Unauthorized):
        response.raw_headers.extend(_CHALLENGES)
    if isinstance(error, HTTPException):
        response.headers.update(error.headers or {})  # a 405 says what is allowed
    return response
