"""The vault keeps nothing: replaced values leave as a sealed token and come back with the output."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from scanner_service.errors import ConfigError, InvalidVaultToken

PREFIX = "v1."
NONCE_BYTES = 12  # NIST SP 800-38D, 8.2: 96 bits
MIN_SECRET_CHARACTERS = 16

# To open more than this takes longer than the event loop should be away from everybody else.
LARGE_TOKEN = 65_536  # characters


class _Content(msgspec.Struct, frozen=True, array_like=True):
    expires: int
    values: dict[str, str]


class Vault:
    """
    Seals values for their owner and opens them again (AES-256-GCM).

    Args:
        secrets: newest first; the first seals, all open, so that a secret can be rotated out.
        lifetime_seconds: how long a token can be opened.
        now: the clock, in seconds since the epoch.

    Raises:
        ConfigError: if there is no secret, or one is too short to be one.
    """

    def __init__(self, secrets: Sequence[str], lifetime_seconds: int, now: Callable[[], float] = time.time) -> None:
        if not secrets:
            raise ConfigError("the vault needs at least one secret in SCANNER_VAULT_KEYS")
        if any(len(secret) < MIN_SECRET_CHARACTERS for secret in secrets):
            raise ConfigError(f"a secret in SCANNER_VAULT_KEYS is shorter than {MIN_SECRET_CHARACTERS} characters")
        self._ciphers = [AESGCM(_derive(secret, b"vault")) for secret in secrets]
        self._lifetime = lifetime_seconds
        self._now = now
        self.substitutes_key = _derive(secrets[0], b"substitutes")
        self.verdicts_key = _derive(secrets[0], b"verdicts")
        self.audit_key = _derive(secrets[0], b"audit")

    @classmethod
    def load(cls, environment: Mapping[str, str], lifetime_seconds: int) -> Vault:
        """The vault with the secrets in `SCANNER_VAULT_KEYS`, comma-separated, newest first."""
        entries = environment.get("SCANNER_VAULT_KEYS", "").split(",")
        return cls([entry.strip() for entry in entries if entry.strip()], lifetime_seconds)

    def seal(self, values: Mapping[str, str], owner: str) -> str:
        """A token that holds *values* and that only *owner* can open, until it expires."""
        content = _Content(int(self._now()) + self._lifetime, dict(values))
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, msgspec.msgpack.encode(content), _bound_to(owner))
        return _encode(nonce + sealed)

    def open(self, token: str, owner: str) -> Mapping[str, str]:
        """
        The values in *token*.

        Raises:
            InvalidVaultToken: if it is changed, expired, or not of *owner*; nobody learns which.
        """
        content = self._decrypt(token, owner)
        if content is None or content.expires <= self._now():
            raise InvalidVaultToken("the vault token cannot be opened")
        return content.values

    async def open_aside(self, token: str, owner: str) -> Mapping[str, str]:
        """Likewise, in a thread if *token* is large."""
        if len(token) <= LARGE_TOKEN:
            return self.open(token, owner)
        return await asyncio.to_thread(self.open, token, owner)

    def _decrypt(self, token: str, owner: str) -> _Content | None:
        raw = _decode(token)
        if len(raw) <= NONCE_BYTES:
            return None
        for cipher in self._ciphers:
            try:
                content = cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound_to(owner))
                return msgspec.msgpack.decode(content, type=_Content)
            except InvalidTag:
                continue
        return None


def _encode(raw: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(token: str) -> bytes:
    """The bytes in *token*; none if it is not spelled exactly as `_encode` would."""
    body = token.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
    return raw if _encode(raw) == token else b""


def _bound_to(owner: str) -> bytes:
    return f"scanner-service vault\0{owner}".encode()


def _derive(secret: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"scanner-service " + purpose).derive(secret.encode())
