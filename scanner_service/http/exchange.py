"""One request while it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.types import Scope

from scanner_service.policy import Policy
from scanner_service.stages import Stopwatch
from scanner_service.traces import Outcome, Scanned

if TYPE_CHECKING:
    from scanner_service.spans import Trace

SERVICE = "exchange"  # its name in the scope of a request


@dataclass(slots=True)
class Exchange:
    """
    What is known about a request while it is answered; all of it may be logged.

    Attributes:
        request_id: of the caller if it sent a sane one, otherwise new.
        caller: the name of its key.
        code: of the error that was answered.
        status: of the answer; 0 before there is one.
        trace_id: of the trace that it is part of, 32 hexadecimal digits; empty if there is none.
        watch: what took time, apart from the scans.
        policy: what the request is held against, once that is known.
        scans: what was scanned, in the order in which it ended.
        trace: what is sent about it, if anything.
    """

    request_id: str
    trace_id: str = ""
    caller: str = ""
    code: str = ""
    status: int = 0
    watch: Stopwatch = field(default_factory=Stopwatch)
    policy: Policy | None = None
    scans: list[Scanned] = field(default_factory=list)
    trace: Trace | None = None

    @property
    def ids(self) -> Mapping[str, str]:
        """What leads from a line of the log to the request."""
        return {"request_id": self.request_id} | ({"trace_id": self.trace_id} if self.trace_id else {})

    def outcome(self) -> Outcome:
        """What a trace tells about it."""
        return Outcome(
            status=self.status,
            code=self.code,
            request_id=self.request_id,
            caller=self.caller,
            policy=self.policy.name if self.policy else "",
            policy_digest=self.policy.digest if self.policy else "",
            stages=self.watch.stages,
            scans=self.scans,
        )


def exchange(scope: Scope) -> Exchange:
    """The exchange that *scope* is part of."""
    found: Exchange = scope[SERVICE]
    return found
