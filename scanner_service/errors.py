"""
The errors of the service. Codes are part of the API, messages are not, and neither ever contains user text.

* ScannerServiceError
  + ConfigError
  + ModelError
  + ViewError
  + RequestError
    - Malformed
    - InvalidRequest
    - Unauthorized
    - Forbidden
    - RequestTooLarge
    - UnsupportedMediaType
    - BodyTimeout
    - CallerGone
    - RateLimited
    - InvalidVaultToken
  + Overloaded
  + DeadlineExceeded
  + AuditFailed
"""


class ScannerServiceError(Exception):
    """
    Superclass of everything that this package raises on purpose.

    Never raised directly.
    """

    code = "internal_error"


class ConfigError(ScannerServiceError):
    """The configuration cannot be used; the message names the file, the rule and the path."""

    code = "config_error"


class ModelError(ScannerServiceError):
    """A model could not be loaded or run. Inside a scan it excuses the rules that need the model."""

    code = "model_error"


class ViewError(ScannerServiceError):
    """A derivation of the text could not be made. Inside a scan it excuses the rules that need it."""

    code = "view_error"


class RequestError(ScannerServiceError):
    """
    Superclass of what a caller did wrong.

    Never raised directly.
    """

    code = "request_error"


class Malformed(RequestError):
    """The body is not JSON."""

    code = "malformed"


class InvalidRequest(RequestError):
    """The body is JSON with a missing, unknown or wrong field; the message names its path."""

    code = "invalid_request"


class Unauthorized(RequestError):
    """The credential is missing or not known."""

    code = "unauthorized"


class Forbidden(RequestError):
    """The credential is known but may not do this: suppress a mandatory rule, raise a threshold, use this policy."""

    code = "forbidden"


class RequestTooLarge(RequestError):
    """The body, the number of its items, or what its output would get back is over the limit."""

    code = "request_too_large"


class UnsupportedMediaType(RequestError):
    """The content type of the body is missing or not that of the endpoint, or the body is compressed."""

    code = "unsupported_media_type"


class BodyTimeout(RequestError):
    """The body did not arrive within `body_timeout_seconds`."""

    code = "body_timeout"


class CallerGone(RequestError):
    """The caller hung up; what was done for it is given up."""

    code = "caller_gone"


class RateLimited(RequestError):
    """
    The credential has used up its rate.

    Attributes:
        retry_after_seconds: when it has refilled enough for the same request.
    """

    code = "rate_limited"

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class InvalidVaultToken(RequestError):
    """The vault token is changed, expired or of another credential; which of them is not said."""

    code = "invalid_vault_token"


class Overloaded(ScannerServiceError):
    """As much work is queued as may be; come back later."""

    code = "overloaded"


class DeadlineExceeded(ScannerServiceError):
    """The scan did not end within `scan_timeout_seconds`."""

    code = "deadline_exceeded"


class AuditFailed(ScannerServiceError):
    """The decision could not be recorded, and the configuration says that it must be."""

    code = "audit_failed"
