"""What a call may be given, and what a request says of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from scanner_client.errors import InvalidRequest
from scanner_client.results import PromptAnalysis

_HEADER = re.compile(r"[\x21-\x7e]{1,256}")


class Options(TypedDict, total=False):
    """
    What every call may be given.

    Attributes:
        policy: a policy of the service's configuration.
        scanners_suppress: optional scanners that are not to run.
        thresholds: by name of a rule, what its thresholds are to be lowered to.
        entities: by name of a rule for personal data, what it is to look for beyond its configuration.
        request_id: your name for the request, found again in the service's log.
        traceparent: the W3C trace context that the scan belongs to.
        timeout: seconds for this call, its retries included; for a stream, from its last piece to the verdict.
        max_retries: for this call.
    """

    policy: str | None
    scanners_suppress: Sequence[str]
    thresholds: Mapping[str, float]
    entities: Mapping[str, Sequence[str]]
    request_id: str | None
    traceparent: str | None
    timeout: float
    max_retries: int


class PromptOptions(Options, total=False):
    """
    What a call about one prompt may be given besides.

    Attributes:
        previous: the analysis of the prompt before it in the same conversation: what was replaced there keeps its
            placeholder, and one analysis restores the values of all turns.
    """

    previous: PromptAnalysis | None


def prompt_fields(prompt: str | PromptAnalysis) -> dict[str, object]:
    """What a request about an output says of its prompt: the text that the LLM saw, and the values it did not see."""
    if isinstance(prompt, PromptAnalysis):
        vault = {"vault": prompt.vault} if prompt.vault else {}
        return {"prompt": prompt.sanitized_prompt, **vault}
    return {"prompt": text(prompt, "prompt")}


def policy_fields(options: Options) -> dict[str, object]:
    """
    What a request says about how to scan.

    Raises:
        TypeError: there is no such option.
    """
    check(options, Options)
    fields: dict[str, object] = {}
    if policy := options.get("policy"):
        fields["policy"] = policy
    if suppress := options.get("scanners_suppress"):
        fields["scanners_suppress"] = list(suppress)
    if thresholds := options.get("thresholds"):
        fields["thresholds"] = dict(thresholds)
    if entities := options.get("entities"):
        fields["entities"] = {rule: list(labels) for rule, labels in entities.items()}
    return fields


def check(options: Mapping[str, object], known: Any) -> None:
    """
    Raises:
        TypeError: there is an option that is not *known*. One that was dropped would leave the text to a weaker policy
            than was meant.
    """
    if unknown := options.keys() - known.__optional_keys__:
        raise TypeError(f"no such option: {', '.join(sorted(unknown))}; there are {', '.join(known.__annotations__)}")


def check_limits(timeout: object, max_retries: object) -> None:
    """
    Raises:
        ValueError: one of them is no limit. Calls with such a timeout would all be too late, and may be excused for it.
    """
    in_time = isinstance(timeout, (int, float)) and 0 < timeout < math.inf
    if not in_time or not isinstance(max_retries, int) or max_retries < 0:
        raise ValueError("timeout must be over 0 and finite, max_retries a whole number, 0 or more")


def call_headers(options: Options) -> dict[str, str]:
    """
    The headers that belong to one call.

    Raises:
        InvalidRequest: a value that can't be a header. Left to the HTTP library it would pass for a lost connection.
    """
    headers = {"content-type": "application/json", "accept": "application/json"}
    for name, value in (("x-request-id", options.get("request_id")), ("traceparent", options.get("traceparent"))):
        if value is None:
            continue
        if not _HEADER.fullmatch(value):
            raise InvalidRequest(f"{name} must be 1 to 256 visible ASCII characters")
        headers[name] = value
    return headers


def text(value: object, name: str) -> str:
    """
    *value*, if it is a text.

    Raises:
        InvalidRequest: it is none; *name* says what it should have been.
    """
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} must be a str, not {type(value).__name__}")
    return value
