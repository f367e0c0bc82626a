"""
What can go wrong, as a tree.

Its two branches never meet: an outage is not a verdict, and a verdict is not an outage.

* ScannerClientError
  x Blocked               somebody looked at the text and said no
    + MaliciousPrompt
    + MaliciousOutput
  x ScanFailed            nobody looked at the text, or the answer can't be relied on
    + Unavailable         not reached, overloaded, broken: the failures that *on_unavailable* is about
      - TimedOut
    + RateLimited
    + Unauthorized
    + Forbidden
    + InvalidRequest
    + UnexpectedAnswer    an answer that a scanner service doesn't give

No message contains a text that was scanned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from scanner_client.results import Analysis, ScannerResult


class ScannerClientError(Exception):
    """Superclass of everything that this package raises about a text. Never raised itself."""


class Blocked(ScannerClientError):
    """
    The text must not be used. Never raised itself.

    Attributes:
        analysis: the whole answer; its `failure` is set if the text was blocked unscanned, as *on_unavailable* asked.
    """

    noun: ClassVar[str] = "text"

    def __init__(self, analysis: Analysis) -> None:
        super().__init__(analysis)
        self.analysis = analysis

    @property
    def scores(self) -> Mapping[str, float]:
        """By scanner, its risk from -1 to 1; over 0 means triggered."""
        return self.analysis.scores

    @property
    def results(self) -> tuple[ScannerResult, ...]:
        """What each scanner found, with spans."""
        return self.analysis.results

    def __str__(self) -> str:
        if self.analysis.failure is not None:
            return f"Unscanned {self.noun} blocked: {self.analysis.failure}"
        triggered = ", ".join(self.analysis.triggered)
        return f"Malicious {self.noun}. Scanners triggered: {triggered}; scores: {dict(self.scores)}"


class MaliciousPrompt(Blocked):
    """The prompt must not reach the LLM."""

    noun = "prompt"


class MaliciousOutput(Blocked):
    """The output must not be shown."""

    noun = "output"


class ScanFailed(ScannerClientError):
    """
    The text was not scanned. Never raised itself.

    Attributes:
        status: of the HTTP answer, None if there was none.
        code: the service's name for the error, None if it gave none.
        request_id: to look up in the service's log, None if it gave none.
        retry_after: seconds to wait, None if the service didn't say.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def is_valid(self) -> bool:
        """False: where failures are values, as in `analyze_many`, what was not scanned is not found valid."""
        return False


class Unavailable(ScanFailed):
    """The service was not reached, was overloaded, or broke while it answered; retries did not help."""


class TimedOut(Unavailable):
    """There was no answer in time."""


class RateLimited(ScanFailed):
    """The key used up its share; `retry_after` says when there is more."""


class Unauthorized(ScanFailed):
    """The key is missing or wrong."""


class Forbidden(ScanFailed):
    """The key may not do this: use this policy, or suppress this scanner."""


class InvalidRequest(ScanFailed):
    """The service refused the request as it is: too large, a wrong field, a wrong path."""


class UnexpectedAnswer(ScanFailed):
    """The answer is not one that a scanner service gives: a proxy's page, JSON cut short, a missing field."""
