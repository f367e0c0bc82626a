"""Evidence in the hands of those who may read it: their keys, and the texts in an audit log."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from scanner_service.audit.event import Event
from scanner_service.errors import ConfigError
from scanner_service.evidence import spell_public_key, unseal


class Disclosed(msgspec.Struct, frozen=True, kw_only=True):
    """
    A text that was kept as evidence, and where it belongs.

    Attributes:
        complete: whether it is the whole text; otherwise its beginning.
    """

    time: str
    id: str
    request_id: str
    key: str
    policy: str
    direction: str
    verdict: str
    complete: bool
    text: str


def make_key(path: Path) -> None:
    """
    Make a pair of keys; write the private one to *path*, for its owner alone, and print the public one.

    Raises:
        ConfigError: if there is such a file, or it cannot be written.
    """
    key = X25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    print(f"the private key is in {path}: keep it away from the service\n\nevidence:")
    print(f"  public_key: {spell_public_key(key.public_key())}\n  of: blocked")


def _read_key(path: Path) -> X25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: not a private key in PEM, or one with a password") from None
    if not isinstance(key, X25519PrivateKey):
        raise ConfigError(f"{path}: not an X25519 key")
    return key


def open_log(key: Path, log: Path | None) -> int:
    """
    Print the evidence in *log*, or in standard input, an object of JSON a line.

    Returns:
        How many lines could not be read.

    Raises:
        ConfigError: if there is no key, or no log.
    """
    private, failed = _read_key(key), 0
    try:
        lines = sys.stdin.buffer if log is None else log.open("rb")
    except OSError as error:
        raise ConfigError(f"{log}: cannot be read: {error.strerror}") from None
    with lines:
        for found in _disclose(lines, private):
            failed += found is None
            if found is not None:
                print(json.dumps(msgspec.to_builtins(found)))  # in ASCII: the text is hostile to terminals too
    if failed:
        print(f"scanner-service: lines that are no events, or not sealed for this key: {failed}", file=sys.stderr)
    return failed


def _disclose(lines: Iterable[bytes], key: X25519PrivateKey) -> Iterator[Disclosed | None]:
    """For each event in *lines* that has evidence, its text; None for evidence, or a line, that *key* does not open."""
    for line in lines:
        if not line.strip():
            continue
        try:
            event = msgspec.json.decode(line, type=Event)
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield None
            continue
        if event.evidence is not None:
            text = unseal(event.evidence.sealed, key, event.id)
            yield None if text is None else _disclosed(event, text)


def _disclosed(event: Event, text: str) -> Disclosed:
    return Disclosed(
        time=event.time,
        id=event.id,
        request_id=event.request_id,
        key=event.key,
        policy=event.policy,
        direction=event.direction,
        verdict=event.verdict,
        complete=len(text) == event.characters,
        text=text,
    )
