"""The scanning endpoints: from a request to a verdict."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from scanner_service.errors import InvalidRequest, RequestTooLarge
from scanner_service.findings import ScanResult
from scanner_service.http import strict_json, verdicts, wire
from scanner_service.http.auth import Caller
from scanner_service.http.decisions import recorded
from scanner_service.http.errors import answer_to
from scanner_service.http.exchange import Exchange, exchange
from scanner_service.http.limits import check_media_type, read_body, unless_gone
from scanner_service.http.permits import choose_policy, permitted
from scanner_service.http.resources import Resources
from scanner_service.logs import log_failure
from scanner_service.policy import Policy, Rule
from scanner_service.restore import restore
from scanner_service.shadow import Answered
from scanner_service.stages import Stopwatch
from scanner_service.substitutes import MANY_KNOWN, Substitutes
from scanner_service.traces import Scanned

log = logging.getLogger(__name__)

T = TypeVar("T", bound=wire.Request)

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, where, for which policy; and what shadows may repeat, in the order in which it ended."""

    caller: Caller
    policy: Policy
    route: str
    here: Exchange
    scans: list[Answered] = field(default_factory=list)

    @property
    def request_id(self) -> str:
        """Of the exchange."""
        return self.here.request_id


class Scans:
    """
    Answers `/analyze/*` and `/scan/*`.

    Args:
        resources: what it works with.
    """

    def __init__(self, resources: Resources) -> None:
        self._on = resources

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
        served = self._on.served()
        caller = served.keys.authenticate(request.headers.raw)
        here.caller = caller.name
        await self._on.rates.take(caller.name)
        with self._on.admission.admit(), self._on.metrics.in_flight.track_inprogress():
            here.watch.lap("admit")
            check_media_type(request.headers, "application/json")
            limits = self._on.config.limits
            body = await read_body(
                request.receive, request.headers, limits.max_body_bytes, self._on.config.body_timeout_seconds
            )
            here.watch.lap("read")
            asked = await strict_json.decode_aside(body, type_)
            here.watch.lap("decode")
            policy = choose_policy(served.policies, served.default_policy, asked.policy, caller)
            here.policy = policy
            call = Call(caller, policy, request.scope["path"], here)
            content = await unless_gone(answer(asked, call), request.receive)
            # What a request changed about its policy says nothing about the difference between two policies.
            compared = BackgroundTask(self._compare, call.scans) if call.scans and asked.is_plain else None
            return Response(content, media_type="application/json", background=compared)

    async def _compare(self, scans: Sequence[Answered]) -> None:
        """Called when the answer is out."""
        for scan in scans:
            self._on.shadows.start(scan, busy=self._on.admission.busy)

    async def _analyze_prompt(self, asked: wire.PromptRequest, call: Call) -> bytes:
        strict_json.check_text(asked.prompt, "$.prompt")
        rules = await permitted(call.policy.prompt, asked)
        known = await self._known(asked, call)
        return await self._judge_prompt(asked.prompt, rules, call, known)

    async def _analyze_prompts(self, asked: wire.PromptsRequest, call: Call) -> bytes:
        limit = self._on.config.limits.max_batch_items
        if len(asked.prompts) > limit:
            raise RequestTooLarge(f"`$.prompts`: more than {limit} items")
        if not asked.prompts:
            raise InvalidRequest("`$.prompts`: is empty")
        await self._on.rates.take(call.caller.name, len(asked.prompts) - 1, taken=1)
        rules = await permitted(call.policy.prompt, asked)
        answers = await asyncio.gather(*(self._item(item, at, rules, call) for at, item in enumerate(asked.prompts)))
        return msgspec.json.encode({"results": [msgspec.Raw(answer) for answer in answers]})

    async def _item(self, item: object, at: int, rules: Sequence[Rule], call: Call) -> bytes:
        path = f"$.prompts[{at}]"
        try:
            if not isinstance(item, str):
                raise InvalidRequest(f"`{path}`: expected `str`")  # noqa: TRY301 - an error among others of its item
            strict_json.check_text(item, path)
            return await self._judge_prompt(item, rules, call, at=at)
        except Exception as error:  # noqa: BLE001 - the others of the batch have their own answers
            answer = answer_to(error, call.request_id)
            if answer.error.code == "internal_error":
                log_failure(log, "could not answer", error, **call.here.ids)
            return msgspec.json.encode(answer)

    async def _judge_prompt(
        self,
        prompt: str,
        rules: Sequence[Rule],
        call: Call,
        known: Mapping[str, str] = NOTHING,
        at: int | None = None,
    ) -> bytes:
        result = await self._scan("prompt", rules, call, prompt, known=known, at=at)

        def answer() -> wire.PromptAnswer:
            token = self._on.vault.seal(result.replaced, call.caller.name) if result.replaced else None
            return verdicts.prompt_answer(result, call.policy, call.request_id, token)

        return await _encoded(answer, result, call.here)

    async def _analyze_output(self, asked: wire.OutputRequest, call: Call) -> bytes:
        known = await self._known(asked, call)
        result = await self._scan_asked_output(asked, call, known=known)

        def answer() -> wire.OutputAnswer:
            return verdicts.output_answer(result, call.policy, call.request_id, restore(result.sanitized, known))

        return await _encoded(answer, result, call.here)

    async def _scan_prompt(self, asked: wire.PromptScanRequest, call: Call) -> bytes:
        strict_json.check_text(asked.prompt, "$.prompt")
        rules = await permitted(call.policy.prompt, asked)
        result = await self._scan("prompt", rules, call, asked.prompt, fail_fast=asked.fail_fast)
        return await _encoded(lambda: verdicts.verdict(result, call.policy, call.request_id), result, call.here)

    async def _scan_output(self, asked: wire.OutputScanRequest, call: Call) -> bytes:
        result = await self._scan_asked_output(asked, call, fail_fast=asked.fail_fast)
        return await _encoded(lambda: verdicts.verdict(result, call.policy, call.request_id), result, call.here)

    async def _known(self, asked: wire.PromptRequest | wire.OutputRequest, call: Call) -> Mapping[str, str]:
        """The values in the vault token of the request, if it has one."""
        return NOTHING if asked.vault is None else await self._on.vault.open_aside(asked.vault, call.caller.name)

    async def _scan_asked_output(
        self,
        asked: wire.OutputRequest | wire.OutputScanRequest,
        call: Call,
        *,
        known: Mapping[str, str] = NOTHING,
        fail_fast: bool = False,
    ) -> ScanResult:
        strict_json.check_text(asked.prompt, "$.prompt", may_be_empty=True)
        strict_json.check_text(asked.output, "$.output")
        rules = await permitted(call.policy.output, asked)
        return await self._scan(
            "output", rules, call, asked.output, prompt=asked.prompt, known=known, fail_fast=fail_fast
        )

    async def _scan(
        self,
        direction: str,
        rules: Sequence[Rule],
        call: Call,
        text: str,
        *,
        prompt: str | None = None,
        known: Mapping[str, str] = NOTHING,
        fail_fast: bool = False,
        at: int | None = None,
    ) -> ScanResult:
        make = partial(Substitutes, text, known, self._on.vault.substitutes_key)
        substitutes = make() if len(known) <= MANY_KNOWN else await asyncio.to_thread(make)
        scope = (call.caller.name, call.policy.name, call.policy.digest, direction)
        recording = recorded(
            self._on.audit, call.here, call.policy, route=call.route, direction=direction, text=lambda: text, item=at
        )
        async with recording as outcome:
            outcome.result = result = await self._on.cache.scan(
                scope, rules, text, prompt=prompt, substitutes=substitutes, fail_fast=fail_fast
            )
        call.here.scans.append(Scanned(direction, result.results, result.stages))
        if call.policy.shadow is not None:
            call.scans.append(Answered(direction, call.policy, text, prompt, fail_fast, result, call.here.ids))
        return result


async def _encoded(make: Callable[[], wire.Verdict], result: ScanResult, here: Exchange) -> bytes:
    watch = Stopwatch()
    encoded = await verdicts.encoded(make, result)
    watch.lap("encode")
    here.watch.stages += watch.stages
    return encoded
