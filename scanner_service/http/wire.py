"""The service's own wire format as types; see docs/api.md. Decoding is strict and names paths, never values."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from scanner_service.errors import InvalidRequest, Malformed

__all__ = ["UNSET"]

T = TypeVar("T")

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Said = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": r"\S"})]  # for the description; see `check_text`


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
    scanners_suppress: list[str] = []
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


def decode(body: bytes, type_: type[T]) -> T:
    """
    Decode a body.

    Strings may hold lone surrogates afterwards: JSON can spell them, and only the field can be blamed for it
    (see `check_text`).

    Raises:
        Malformed: if *body* is not JSON in UTF-8, or nested too deeply.
        InvalidRequest: if it does not have the shape of *type_*; the message names the path.
    """
    try:
        decoded: T = _decode(body, type_)
    except msgspec.ValidationError as error:
        problem = InvalidRequest(_name_path(str(error)))
    except (UnicodeDecodeError, msgspec.DecodeError):
        raise Malformed("the body is not JSON in UTF-8") from None
    except RecursionError:
        raise Malformed("the body is nested too deeply") from None
    else:
        return decoded
    if type_ is not Any:  # the decoder stops at the first wrong field: what follows may not even be JSON
        decode(body, Any)
    raise problem


def _decode(body: bytes, type_: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"\\ud" not in body.lower():
            raise
        try:
            content = json.loads(body)  # takes lone surrogates, which msgspec does not
        except ValueError:
            raise msgspec.DecodeError from None
        return msgspec.convert(content, type_)


def check_text(text: str, path: str, *, may_be_empty: bool = False) -> None:
    """
    Refuse what cannot be scanned.

    Raises:
        InvalidRequest: naming *path*, if *text* holds nothing but white space or is not Unicode text.
    """
    if not may_be_empty and not text.strip():
        raise InvalidRequest(f"`{path}`: is empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"`{path}`: holds half of a surrogate pair, which is no character") from None


_FIELD = re.compile(r"Object (?P<what>missing required|contains unknown) field `(?P<name>.*?)`(?: - at `(?P<at>.*)`)?")
_TYPE = re.compile(r"(?P<what>.*?)(?: - at `(?P<at>\$.*)`)?")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def _name_path(message: str) -> str:
    """*message* of the decoder with the path first. An unknown field is named only if its name is a harmless one."""
    if match := _FIELD.fullmatch(message):
        at, name = match["at"] or "$", match["name"]
        if match["what"] == "missing required":
            return f"`{at}.{name}`: is missing"
        return f"`{at}.{name}`: unknown field" if _NAME.fullmatch(name) else f"`{at}`: has an unknown field"
    match = _TYPE.fullmatch(message)
    what, at = (match["what"], match["at"]) if match else ("wrong", "$")
    return f"`{at or '$'}`: {what[:1].lower()}{what[1:]}"
