"""The scanning endpoints: from a request to a verdict."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from scanner_service.config import Config
from scanner_service.engine import Engine
from scanner_service.errors import Forbidden, InvalidRequest, InvalidVaultToken, RequestTooLarge
from scanner_service.findings import ScanResult
from scanner_service.http import verdicts, wire
from scanner_service.http.auth import Caller, Keys
from scanner_service.http.envelope import exchange
from scanner_service.http.errors import answer_to
from scanner_service.http.limits import Admission, check_content_type, read_body, unless_gone
from scanner_service.logs import log_failure
from scanner_service.metrics import Metrics
from scanner_service.policy import Policy, Rule

log = logging.getLogger(__name__)

T = TypeVar("T", bound=wire.Request)

# Decoding or encoding more than this takes longer than the event loop should be away from everybody else.
LARGE_BODY_BYTES = 65_536
MANY_FINDINGS = 200


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, for which policy, under which id."""

    caller: Caller
    policy: Policy
    request_id: str


class Scans:
    """
    Answers `/analyze/*` and `/scan/*`.

    Args:
        config: limits and time-outs.
        engine: what scans.
        policies: by name.
        keys: the credentials that are known.
        metrics: what counts.
    """

    def __init__(
        self, config: Config, engine: Engine, policies: Mapping[str, Policy], keys: Keys, metrics: Metrics
    ) -> None:
        self._config = config
        self._engine = engine
        self._policies = policies
        self._keys = keys
        self._metrics = metrics
        self._admission = Admission(config.limits.max_concurrent_requests)

    async def analyze_prompt(self, request: Request) -> Response:
        """`POST /analyze/prompt`"""
        return await self._serve(request, wire.PromptRequest, self._analyze_prompt)

    async def analyze_prompts(self, request: Request) -> Response:
        """`POST /analyze/prompts`"""
        return await self._serve(request, wire.PromptsRequest, self._analyze_prompts)

    async def analyze_output(self, request: Request) -> Response:
        """`POST /analyze/output`"""
        return await self._serve(request, wire.OutputRequest, self._analyze_output)

    async def scan_prompt(self, request: Request) -> Response:
        """`POST /scan/prompt`"""
        return await self._serve(request, wire.PromptScanRequest, self._scan_prompt)

    async def scan_output(self, request: Request) -> Response:
        """`POST /scan/output`"""
        return await self._serve(request, wire.OutputScanRequest, self._scan_output)

    async def _serve(
        self, request: Request, type_: type[T], answer: Callable[[T, Call], Coroutine[Any, Any, bytes]]
    ) -> Response:
        here = exchange(request.scope)
        caller = self._keys.authenticate(request.headers.raw)
        here.caller = caller.name
        with self._admission.admit(), self._metrics.in_flight.track_inprogress():
            check_content_type(request.headers)
            limits = self._config.limits
            body = await read_body(
                request.receive, request.headers, limits.max_body_bytes, self._config.body_timeout_seconds
            )
            asked = await _decode(body, type_)
            call = Call(caller, self._policy(asked.policy, caller), here.request_id)
            content = await unless_gone(answer(asked, call), request.receive)
            return Response(content, media_type="application/json")

    async def _analyze_prompt(self, asked: wire.PromptRequest, call: Call) -> bytes:
        wire.check_text(asked.prompt, "$.prompt")
        return await self._judge_prompt(asked.prompt, _unsuppressed(call.policy.prompt, asked), call)

    async def _analyze_prompts(self, asked: wire.PromptsRequest, call: Call) -> bytes:
        limit = self._config.limits.max_batch_items
        if len(asked.prompts) > limit:
            raise RequestTooLarge(f"`$.prompts`: more than {limit} items")
        if not asked.prompts:
            raise InvalidRequest("`$.prompts`: is empty")
        rules = _unsuppressed(call.policy.prompt, asked)
        items = enumerate(asked.prompts)
        answers = await asyncio.gather(*(self._item(item, f"$.prompts[{at}]", rules, call) for at, item in items))
        return msgspec.json.encode({"results": [msgspec.Raw(answer) for answer in answers]})

    async def _item(self, item: object, path: str, rules: Sequence[Rule], call: Call) -> bytes:
        try:
            if not isinstance(item, str):
                raise InvalidRequest(f"`{path}`: expected `str`")  # noqa: TRY301 - an error among others of its item
            wire.check_text(item, path)
            return await self._judge_prompt(item, rules, call)
        except Exception as error:  # noqa: BLE001 - the others of the batch have their own answers
            answer = answer_to(error, call.request_id)
            if answer.error.code == "internal_error":
                log_failure(log, "could not answer", error, request_id=call.request_id)
            return msgspec.json.encode(answer)

    async def _judge_prompt(self, prompt: str, rules: Sequence[Rule], call: Call) -> bytes:
        result = await self._scan("prompt", rules, call, prompt)
        return await _encoded(verdicts.prompt_answer, result, call)

    async def _analyze_output(self, asked: wire.OutputRequest, call: Call) -> bytes:
        if asked.vault is not None:
            raise InvalidVaultToken("`$.vault`: this service has sealed no token")
        result = await self._scan_asked_output(asked, call)
        return await _encoded(verdicts.output_answer, result, call)

    async def _scan_prompt(self, asked: wire.PromptScanRequest, call: Call) -> bytes:
        wire.check_text(asked.prompt, "$.prompt")
        rules = _unsuppressed(call.policy.prompt, asked)
        result = await self._scan("prompt", rules, call, asked.prompt, fail_fast=asked.fail_fast)
        return await _encoded(verdicts.verdict, result, call)

    async def _scan_output(self, asked: wire.OutputScanRequest, call: Call) -> bytes:
        result = await self._scan_asked_output(asked, call, fail_fast=asked.fail_fast)
        return await _encoded(verdicts.verdict, result, call)

    async def _scan_asked_output(
        self, asked: wire.OutputRequest | wire.OutputScanRequest, call: Call, *, fail_fast: bool = False
    ) -> ScanResult:
        wire.check_text(asked.prompt, "$.prompt", may_be_empty=True)
        wire.check_text(asked.output, "$.output")
        rules = _unsuppressed(call.policy.output, asked)
        return await self._scan("output", rules, call, asked.output, prompt=asked.prompt, fail_fast=fail_fast)

    async def _scan(
        self,
        direction: str,
        rules: Sequence[Rule],
        call: Call,
        text: str,
        *,
        prompt: str | None = None,
        fail_fast: bool = False,
    ) -> ScanResult:
        result = await self._engine.scan(rules, text, prompt=prompt, fail_fast=fail_fast)
        self._metrics.count(direction, call.policy.name, result)
        return result

    def _policy(self, name: str | None, caller: Caller) -> Policy:
        """The policy that *caller* asks for; without a name, its own first one or the default."""
        if name is None:
            return self._policies[caller.policies[0] if caller.policies else self._config.default_policy]
        if caller.policies is not None and name not in caller.policies:
            raise Forbidden("`$.policy`: not for this credential")
        if name not in self._policies:
            raise InvalidRequest("`$.policy`: there is no such policy")
        return self._policies[name]


def _unsuppressed(rules: Sequence[Rule], asked: wire.Request) -> Sequence[Rule]:
    """*rules* without those that the caller suppresses, which must all be optional and not all there are."""
    optional = {rule.name for rule in rules if rule.optional}
    for at, name in enumerate(asked.scanners_suppress):
        if name not in optional:
            raise Forbidden(f"`$.scanners_suppress[{at}]`: not an optional rule of this policy")
    left = [rule for rule in rules if rule.name not in asked.scanners_suppress]
    if not left:
        raise Forbidden("`$.scanners_suppress`: nothing would be left to scan with")
    return left


async def _encoded(make: Callable[[ScanResult, Policy, str], wire.Verdict], result: ScanResult, call: Call) -> bytes:
    def encode() -> bytes:
        return msgspec.json.encode(make(result, call.policy, call.request_id))

    if sum(len(one.findings) for one in result.results) <= MANY_FINDINGS:
        return encode()
    return await asyncio.to_thread(encode)


async def _decode(body: bytes, type_: type[T]) -> T:
    if len(body) <= LARGE_BODY_BYTES:
        return wire.decode(body, type_)
    return await asyncio.to_thread(wire.decode, body, type_)
