"""Asks a scanner service about prompts and outputs, and raises when one is malicious."""

from typing import TYPE_CHECKING, Any

from scanner_client._version import __version__
from scanner_client.client import Client
from scanner_client.errors import (
    Blocked,
    Forbidden,
    InvalidRequest,
    MaliciousOutput,
    MaliciousPrompt,
    RateLimited,
    ScanFailed,
    ScannerClientError,
    TimedOut,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from scanner_client.results import Analysis, Finding, OutputAnalysis, PromptAnalysis, ScannerResult
from scanner_client.shields import guarded
from scanner_client.usage import Usage

if TYPE_CHECKING:
    from scanner_client.async_client import AsyncClient

__all__ = [
    "Analysis",
    "AsyncClient",
    "Blocked",
    "Client",
    "Finding",
    "Forbidden",
    "InvalidRequest",
    "MaliciousOutput",
    "MaliciousPrompt",
    "OutputAnalysis",
    "PromptAnalysis",
    "RateLimited",
    "ScanFailed",
    "ScannerClientError",
    "ScannerResult",
    "TimedOut",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "Usage",
    "__version__",
    "guarded",
]


def __getattr__(name: str) -> Any:
    """`AsyncClient`, imported when it is first asked for: asyncio takes longer to load than all the rest."""
    if name != "AsyncClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from scanner_client.async_client import AsyncClient

    return AsyncClient
