"""The service's own wire format as types; see docs/api.md."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

__all__ = ["UNSET"]

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Said = Annotated[
    str, msgspec.Meta(extra_json_schema={"pattern": r"\S"})
]  # for the description; see `strict_json.check_text`


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What every scan may be asked.

    Attributes:
        policy: a policy of the configuration; without it, the first policy of the credential or the default.
        scanners_suppress: names of optional rules that are not to run.
        thresholds: by name of a rule, what to lower those of its thresholds to that are higher.
        entities: by name of a rule, what it is to look for beyond its configuration.
    """

    policy: str | None = None
    scanners_suppress: Annotated[list[str], msgspec.Meta(max_length=64)] = []
    thresholds: dict[str, Share] = {}
    entities: dict[str, Annotated[list[str], msgspec.Meta(max_length=64)]] = {}

    @property
    def is_plain(self) -> bool:
        """Whether it takes the policy as it is."""
        return not (self.scanners_suppress or self.thresholds or self.entities)


class PromptRequest(Request, frozen=True, kw_only=True):
    """A prompt to analyze. `vault` is the token of an earlier turn: equal values keep their placeholders."""

    prompt: Said
    vault: str | None = None


class OutputRequest(Request, frozen=True, kw_only=True):
    """
    An output to analyze, with the prompt that it answers; the prompt may be empty.

    `vault` is the token that came with the prompt: the values that it holds are put back.
    """

    prompt: str
    output: Said
    vault: str | None = None


class PromptScanRequest(Request, frozen=True, kw_only=True):
    """A prompt to judge, without a sanitized text; `fail_fast` stops at the first rule that blocks."""

    prompt: Said
    fail_fast: bool = False


class OutputScanRequest(Request, frozen=True, kw_only=True):
    """An output to judge, without a sanitized text; `fail_fast` stops at the first rule that blocks."""

    prompt: str
    output: Said
    fail_fast: bool = False


class PromptsRequest(Request, frozen=True, kw_only=True):
    """Prompts to analyze; each must be a string, and one that is not spoils only its own answer."""

    prompts: Annotated[list[Any], msgspec.Meta(extra_json_schema={"minItems": 1})]


class StreamHead(Request, frozen=True, kw_only=True):
    """The first line of a streamed output: the prompt that it answers, and the token that came with the prompt."""

    prompt: str = ""
    vault: str | None = None


class Delta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A further line of a streamed output: its next piece."""

    delta: str


class Shown(msgspec.Struct, frozen=True):
    """A line of the answer to a stream: text that is safe to show."""

    text: str


class Finding(msgspec.Struct, frozen=True):
    """Something seen; `start` and `end` are characters of the text that was sent, `end` excluded."""

    label: str
    score: float
    start: int
    end: int
    view: str


class Result(msgspec.Struct, frozen=True):
    """What one rule says. `score` is null and `error` a code if it could not run."""

    scanner: str
    kind: str
    score: float | None
    threshold: float
    triggered: bool
    action: str
    findings: list[Finding]
    error: str | None
    duration_ms: float


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """
    The answer to a scan.

    Attributes:
        is_valid: whether nothing blocks.
        blocked: the opposite.
        message: what triggered or failed, and where; none of the text.
        scanners: by rule, its risk, −1 to 1: over 0, or 0 and triggered, means triggered.
        results: one for each rule, in the order of the policy.
        policy: the policy that judged.
        policy_digest: changes whenever a rule, a threshold or a model of the policy does, or what it keeps as evidence.
        request_id: also in the header `x-request-id` and in the log.
    """

    is_valid: bool
    blocked: bool
    message: str
    scanners: dict[str, float]
    results: list[Result]
    policy: str
    policy_digest: str
    request_id: str


class PromptAnswer(Verdict, frozen=True, kw_only=True):
    """A verdict with the prompt as the LLM may see it. `vault` is null if there is nothing to put back."""

    sanitized_prompt: str
    vault: str | None


class OutputAnswer(Verdict, frozen=True, kw_only=True):
    """A verdict with the output as people may see it."""

    sanitized_output: str


class Error(msgspec.Struct, frozen=True):
    """What went wrong: `code` is part of the API, `message` is for people."""

    code: str
    message: str


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Every error of the service; software that reads only `is_valid` takes it for a refusal."""

    error: Error
    request_id: str
    is_valid: bool = False
    blocked: bool = True
    scanners: dict[str, float] = {}
    sanitized_prompt: str = ""
    sanitized_output: str | UnsetType = UNSET


class PromptsAnswer(msgspec.Struct, frozen=True):
    """One `PromptAnswer` or `ErrorAnswer` for each prompt, in the order of the prompts."""

    results: list[Any]


def json_response(content: Any, status: int = 200) -> Response:
    """*content* as JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")
