"""The trace that a request belongs to, as its header `traceparent` says: W3C Trace Context, levels 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# A version that is not known yet may say more behind what version 00 says; ff is none.
_FORM = re.compile(rb"(00-|(?!ff|00)[0-9a-f]{2}-)(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class TraceParent:
    """
    The span of a caller that a request is a part of.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        sampled: whether the caller records the trace.
    """

    trace_id: str
    span_id: str
    sampled: bool


def read_trace_parent(headers: Iterable[tuple[bytes, bytes]]) -> TraceParent | None:
    """
    What *headers* say, whose names are in lower case; None if that is nothing, or not valid.

    The header `tracestate` is left alone: it is text of the caller.
    """
    values = [value.strip(b" \t") for name, value in headers if name == b"traceparent"]
    found = _FORM.fullmatch(values[0]) if len(values) == 1 else None
    if found is None or (found[1] == b"00-" and found[5] is not None):
        return None
    return TraceParent(str(found[2], "ascii"), str(found[3], "ascii"), bool(int(found[4], 16) & _SAMPLED))
