"""Verdicts of texts that were scanned before: chat history comes again at every turn."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from scanner_service.engine import Engine
from scanner_service.findings import ScannerResult, ScanResult
from scanner_service.policy import Rule
from scanner_service.release import VERSION
from scanner_service.shared import Shared
from scanner_service.stages import Stopwatch
from scanner_service.substitutes import Substitutes

NONCE_BYTES = 12  # NIST SP 800-38D, 8.2: 96 bits
ENTRY_BYTES = 300  # what an entry takes beside its content: key, expiry and the objects around them

# To hash so many characters, or to read a verdict of so many bytes, takes longer than the event loop should be away
# from everybody else.
LARGE = 65_536
MANY_FINDINGS = 1_000  # likewise to write down

_DECODER = msgspec.msgpack.Decoder(tuple[ScannerResult, ...])
_KEEPING = (None, "skipped")  # errors with which a result is what it would be again


class VerdictCache:
    """
    An engine with a memory. It keeps what rules said, as labels and spans, under a keyed hash of the text; no text.

    Texts are sanitized anew each time, so that every answer has substitutes of its own.

    Args:
        engine: what scans.
        key: 32 bytes, of the hashes and of what Redis holds; the same in every replica.
        entries: how many verdicts are kept; 0 for none, here and in Redis.
        max_bytes: how much memory they may take.
        seconds: how long they are kept.
        count: told the level, `memory` or `redis`, and `hit` or `miss`.
        shared: Redis, asked for what is not in memory.
        now: the clock, in seconds.
    """

    def __init__(
        self,
        engine: Engine,
        key: bytes,
        *,
        entries: int,
        max_bytes: int,
        seconds: int,
        count: Callable[[str, str], object],
        shared: Shared | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._key = key
        self._cipher = AESGCM(hmac.digest(key, b"redis", hashlib.sha256))
        self._entries, self._max_bytes, self._seconds = entries, max_bytes, seconds
        self._count = count
        self._shared = shared
        self._now = now
        self._kept: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._writing: set[asyncio.Task[object]] = set()

    async def scan(
        self,
        scope: Sequence[str],
        rules: Sequence[Rule],
        text: str,
        *,
        prompt: str | None,
        substitutes: Substitutes,
        fail_fast: bool,
    ) -> ScanResult:
        """
        What `Engine.scan` says, from memory if it has said it before; looking there is the stage `recall`.

        Args:
            scope: what a verdict belongs to besides its text: who asks, the digest of the policy, the direction.
            rules: of that policy, thresholds lowered or rules left out as the request asks.
            text: a prompt, or an output.
            prompt: as for `Engine.scan`, and so are `substitutes` and `fail_fast`.

        Raises:
            DeadlineExceeded, Overloaded: as `Engine.scan`; the first also if what is remembered has to wait too long.
        """
        if not self._entries:
            return await self._engine.scan(rules, text, prompt=prompt, substitutes=substitutes, fail_fast=fail_fast)
        asked = [(rule.name, rule.threshold, sorted(rule.thresholds.items()), sorted(rule.added)) for rule in rules]
        parts = (VERSION, scope, asked, text, prompt, fail_fast)  # another release may know more
        watch = Stopwatch()
        large = len(text) + len(prompt or "") > LARGE
        key = await asyncio.to_thread(self._hash, parts) if large else self._hash(parts)
        packed = self._recall(key) or await self._fetch(key)
        watch.lap("recall")
        if packed is not None:
            result = await self._engine.answer(rules, partial(_DECODER.decode, packed), text, substitutes)
        else:
            result = await self._engine.scan(rules, text, prompt=prompt, substitutes=substitutes, fail_fast=fail_fast)
            if all(one.error in _KEEPING for one in result.results):
                await self._keep(key, result.results)
        return replace(result, stages=(*watch.stages, *result.stages), cached=packed is not None)

    def _hash(self, parts: object) -> bytes:
        # Its keyed mode (RFC 7693) keeps the interpreter while a text is short, as HMAC in OpenSSL does not.
        return hashlib.blake2b(msgspec.msgpack.encode(parts), key=self._key, digest_size=32).digest()

    def _recall(self, key: bytes) -> bytes | None:
        expires, packed = self._kept.get(key, (0.0, b""))
        if packed and expires <= self._now():
            self._forget(key)
            packed = b""
        self._count("memory", "hit" if packed else "miss")
        if packed:
            self._kept.move_to_end(key)
        return packed or None

    async def _fetch(self, key: bytes) -> bytes | None:
        if self._shared is None:
            return None
        sealed = await self._shared.call("verdict_get", lambda redis: redis.get(_name(key)))
        packed = None
        if isinstance(sealed, bytes):
            large = len(sealed) > LARGE
            packed = await asyncio.to_thread(self._open, key, sealed) if large else self._open(key, sealed)
        self._count("redis", "miss" if packed is None else "hit")
        if packed is not None:
            self._remember(key, packed)
        return packed

    async def _keep(self, key: bytes, results: Sequence[ScannerResult]) -> None:
        many = sum(len(one.findings) for one in results) > MANY_FINDINGS
        pack = partial(self._pack, key, results)
        packed, sealed = await asyncio.to_thread(pack) if many else pack()
        self._remember(key, packed)
        if self._shared is not None and sealed:
            write = self._shared.call("verdict_set", lambda redis: redis.set(_name(key), sealed, ex=self._seconds))
            task: asyncio.Task[object] = asyncio.ensure_future(write)  # nobody waits for it
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    def _pack(self, key: bytes, results: Sequence[ScannerResult]) -> tuple[bytes, bytes]:
        """*results* as they are kept here, and as Redis gets them: sealed, or empty if it gets none."""
        packed = msgspec.msgpack.encode([replace(one, duration_ms=0.0) for one in results])
        if self._shared is None or len(packed) > self._max_bytes:
            return packed, b""
        nonce = os.urandom(NONCE_BYTES)
        return packed, nonce + self._cipher.encrypt(nonce, packed, key)

    def _open(self, key: bytes, sealed: bytes) -> bytes | None:
        """What was sealed for *key* and nothing else: who can write to Redis can make no verdict and swap none."""
        if len(sealed) <= NONCE_BYTES:
            return None
        try:
            packed = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], key)
            _DECODER.decode(packed)
        except (InvalidTag, msgspec.DecodeError):  # another release may write other results
            return None
        return packed

    def _remember(self, key: bytes, packed: bytes) -> None:
        self._forget(key)
        if len(packed) + ENTRY_BYTES > self._max_bytes:
            return
        self._kept[key] = (self._now() + self._seconds, packed)
        self._bytes += len(packed) + ENTRY_BYTES
        while len(self._kept) > self._entries or self._bytes > self._max_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: bytes) -> None:
        if key in self._kept:
            self._bytes -= len(self._kept.pop(key)[1]) + ENTRY_BYTES


def _name(key: bytes) -> str:
    return f"scanner:verdict:{key.hex()}"
