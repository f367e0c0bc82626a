"""
For `llm-api-client`: `guard(APIClient())` scans each request of `make_requests` and each answer.

What is blocked or can't be scanned gives None in its place, and `client.blocked` tells why.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from scanner_client import Blocked, Client, ScannerClientError
from scanner_client.integrations import chat, walks

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One request that got None, and the reason, which holds none of its text."""

    request: dict[str, Any]
    reason: ScannerClientError


class Refusals:
    """The requests that got None, in the order of their first refusal. A retry that succeeds takes its request out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, Refusal] = {}  # by identity: a refusal keeps its request alive

    def reason(self, request: dict[str, Any]) -> ScannerClientError | None:
        """Why this very *request* got None; None if it did not."""
        with self._lock:
            refusal = self._known.get(id(request))
        return refusal.reason if refusal else None

    def note(self, request: dict[str, Any], reason: ScannerClientError | None) -> None:
        """The latest about *request*."""
        with self._lock:
            if reason is not None:
                self._known[id(request)] = Refusal(request, reason)
            else:
                self._known.pop(id(request), None)

    def __iter__(self) -> Iterator[Refusal]:
        with self._lock:
            return iter(list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)


def guard(client: T, scanner: Client | None = None) -> T:
    """
    *client*, guarded from now on, with an attribute `blocked`: its `Refusals`.

    The verdict on a request comes before its share of the rate limit is taken, and is not asked for again in retries.
    """
    scanner = scanner or Client()
    refusals = Refusals()
    send = client._rate_limited_request  # type: ignore[attr-defined]

    def guarded(request: dict[str, Any], **options: Any) -> Any:
        if isinstance(known := refusals.reason(request), Blocked):
            raise known
        try:
            body, prompt = walks.run(chat.request(request), scanner)
            answer, _ = walks.run(chat.answer(send(request=body, **options)), scanner, prompt)
        except ScannerClientError as reason:
            refusals.note(request, reason)
            raise
        refusals.note(request, None)
        return answer

    client._rate_limited_request = guarded  # type: ignore[attr-defined]
    client.blocked = refusals  # type: ignore[attr-defined]
    return client
