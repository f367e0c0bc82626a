"""Asks a scanner service about prompts and outputs, and raises when one is malicious."""

from scanner_client._version import __version__
from scanner_client.async_client import AsyncClient
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
