"""
Texts kept as evidence: sealed to a public key, so that what seals them cannot read them back.

HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM: each text has a key of its
own, which is forgotten at once.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from scanner_service.errors import ConfigError

# So that one line of a log stays under half a megabyte, whatever the script.
MAX_CHARACTERS = 65_536

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What a policy keeps, and for whom.

    Attributes:
        public_key: of those who may read it.
        of: `blocked` texts only, or `all`.
    """

    public_key: X25519PublicKey
    of: Literal["blocked", "all"] = "blocked"


def read_public_key(encoded: str) -> X25519PublicKey:
    """
    The public key whose 32 bytes *encoded* spells in base64.

    Raises:
        ConfigError: if it is none, or one of those to which nothing can be sealed; the message does not repeat it.
    """
    try:
        key = X25519PublicKey.from_public_bytes(base64.b64decode(encoded, validate=True))
        seal("", key, "")
    except ValueError:
        raise ConfigError("not an X25519 public key, 32 bytes in base64: `scanner-service evidence keygen`") from None
    return key


def spell_public_key(key: X25519PublicKey) -> str:
    """*key* as `read_public_key` reads it."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def seal(text: str, key: X25519PublicKey, bound_to: str) -> str:
    """
    *text*, cut behind `MAX_CHARACTERS`, for the holder of the private key alone; in base64.

    Args:
        text: what is to be kept.
        key: of those who may read it.
        bound_to: what must be known to open it, so that it cannot be taken for the evidence of something else.
    """
    sealed = _SUITE.encrypt(text[:MAX_CHARACTERS].encode(), key, info=_info(bound_to))
    return base64.b64encode(sealed).decode()


def unseal(sealed: str, key: X25519PrivateKey, bound_to: str) -> str | None:
    """The text that was *sealed*; None if it was sealed for another key, bound to something else, or changed."""
    try:
        return _SUITE.decrypt(base64.b64decode(sealed, validate=True), key, info=_info(bound_to)).decode()
    except (ValueError, InvalidTag):
        return None


def _info(bound_to: str) -> bytes:
    return f"scanner-service evidence\0{bound_to}".encode()
