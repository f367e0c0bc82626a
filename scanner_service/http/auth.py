"""Credentials: who calls, and which policies that caller may use."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scanner_service.assembly import config_path
from scanner_service.config import Config
from scanner_service.errors import ConfigError, Unauthorized

# Keys are hashed without salt or stretching, which is enough for random keys and only for those.
MIN_KEY_LENGTH = 16
MAX_PRESENTED = 4  # credentials in one request: each is compared with every key

ANONYMOUS = "anonymous"

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_OF_NOTHING = hashlib.sha256().digest()
_NO_KEYS = (
    "there is no API key: set SCANNER_API_KEYS (comma-separated, each `name=key` or `key`) or SCANNER_API_KEYS_FILE "
    "(lines of `name=` and the SHA-256 of a key), or allow everybody with `allow_anonymous: true` in the configuration"
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the service knows it: a name for the log, and a SHA-256."""

    name: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who sent a request.

    Attributes:
        name: the name of the key, or `anonymous`.
        policies: those the caller may use, its default first; None for all.
    """

    name: str
    policies: Sequence[str] | None = None


class Keys:
    """
    The credentials that the service accepts.

    Args:
        keys: several may share a name, so that one can replace another while both work.
        grants: by name of a key, or `anonymous`, the policies that it may use; None for all.
        allow_anonymous: whether a request without a credential is served.

    Raises:
        ConfigError: if nobody could call, or one key has two names.
    """

    def __init__(
        self, keys: Sequence[Key], grants: Mapping[str, Sequence[str] | None], *, allow_anonymous: bool
    ) -> None:
        if not keys and not allow_anonymous:
            raise ConfigError(_NO_KEYS)
        if len({key.digest for key in keys}) < len(keys):
            raise ConfigError("one API key is listed twice")
        self._keys = tuple(keys)
        self._grants = dict(grants)
        self._allow_anonymous = allow_anonymous

    @classmethod
    def load(cls, config: Config, environment: Mapping[str, str], *, known: bool = False) -> Keys:
        """
        The keys of *environment*, with the grants of *config*.

        Args:
            config: what grants.
            environment: where the keys are listed.
            known: whether *config* was served before: then a grant without a key is one whose key has been removed.

        Raises:
            ConfigError: as above, if a grant is for a key that does not exist, or if a key or a line of the file
                cannot be used.
        """
        keys = _listed(environment)
        grants = {name: entry.policies for name, entry in config.keys.items()}
        names = {key.name for key in keys} | ({ANONYMOUS} if config.allow_anonymous else set())
        loaded = cls(keys, grants, allow_anonymous=config.allow_anonymous)
        for name in grants:
            if not known and name not in names:
                raise ConfigError(
                    f"{config_path(environment)}: `$.keys.{name}`: no API key has this name; "
                    f"there are: {', '.join(sorted(names))}"
                )
        return loaded

    def still_listed(self, environment: Mapping[str, str]) -> Keys:
        """
        These keys without those that *environment* no longer lists, and none of those that are new there.

        Raises:
            ConfigError: if a key or a line of the file cannot be used, or nobody could call.
        """
        listed = {key.digest for key in _listed(environment)}
        keys = [key for key in self._keys if key.digest in listed]
        return Keys(keys, self._grants, allow_anonymous=self._allow_anonymous)

    def authenticate(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller:
        """
        Whose request has these *headers*; names in lower case, as in ASGI.

        Each header that carries a credential must carry one that is known, and all must be of the same caller.

        Raises:
            Unauthorized: if there is no credential, or a wrong one.
        """
        presented = list(_presented(headers))
        if self._allow_anonymous and not (presented and self._keys):
            return self._caller(ANONYMOUS)
        if not presented:
            raise Unauthorized("a credential is needed: Bearer, Basic or x-api-key")
        if len(presented) > MAX_PRESENTED:
            raise Unauthorized("too many credentials")
        names = {self._name_of(candidates) for candidates in presented}
        name = names.pop()
        if name is None or names:
            raise Unauthorized("the credential is not known")
        return self._caller(name)

    def _name_of(self, candidates: Sequence[bytes]) -> str | None:
        # Every key is compared with every candidate, in constant time, whether one has matched or not.
        found: str | None = None
        for candidate in candidates:
            if len(candidate) < MIN_KEY_LENGTH:
                continue
            digest = hashlib.sha256(candidate).digest()
            for key in self._keys:
                if hmac.compare_digest(digest, key.digest):
                    found = key.name
        return found

    def _caller(self, name: str) -> Caller:
        return Caller(name, self._grants.get(name))


def _listed(environment: Mapping[str, str]) -> Sequence[Key]:
    keys = list(_from_variable(environment.get("SCANNER_API_KEYS", "")))
    if file := environment.get("SCANNER_API_KEYS_FILE"):
        keys += _from_file(Path(file))
    return keys


def _presented(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Sequence[bytes]]:
    """For each header with a credential, what could be the key in it: none if it cannot be read."""
    for name, value in headers:
        if name == b"x-api-key":
            yield [value.strip()]
        elif name == b"authorization":
            scheme, _, rest = value.strip().partition(b" ")
            match scheme.lower():
                case b"bearer":
                    yield [rest.strip()]
                case b"basic":
                    yield _basic(rest.strip())
                case _:
                    yield []


def _basic(encoded: bytes) -> Sequence[bytes]:
    try:
        user, _, password = b64decode(encoded, validate=True).partition(b":")
    except binascii.Error:
        return []
    return [part for part in (user, password) if part]


def _from_variable(value: str) -> Iterator[Key]:
    for number, entry in enumerate((part.strip() for part in value.split(",")), 1):
        if not entry:
            continue
        name, separator, key = entry.partition("=")
        if not separator:
            name, key = _name_from(hashlib.sha256(entry.encode()).digest()), entry
        if not _NAME.fullmatch(name) or name == ANONYMOUS:
            raise ConfigError(
                f"SCANNER_API_KEYS, entry {number}: a name is letters, digits, `.`, `_` and `-`, not `{ANONYMOUS}`"
            )
        if len(key) < MIN_KEY_LENGTH:
            raise ConfigError(
                f"SCANNER_API_KEYS, entry {number}: a key has at least {MIN_KEY_LENGTH} characters "
                "(what precedes `=` is its name)"
            )
        yield Key(name, hashlib.sha256(key.encode()).digest())


def _from_file(path: Path) -> Iterator[Key]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8") from None
    for number, line in enumerate((line.strip() for line in lines), 1):
        if not line or line.startswith("#"):
            continue
        name, _, digest = line.rpartition("=")
        if not _DIGEST.fullmatch(digest) or name == ANONYMOUS or not (_NAME.fullmatch(name) or not name):
            raise ConfigError(f"{path}:{number}: not `name=` and 64 hexadecimal digits")
        if bytes.fromhex(digest) == _OF_NOTHING:
            raise ConfigError(f"{path}:{number}: the SHA-256 of nothing, as an unset variable has it, and not of a key")
        yield Key(name or _name_from(bytes.fromhex(digest)), bytes.fromhex(digest))


def _name_from(digest: bytes) -> str:
    # Of the key itself and not of its place in the list: vault tokens are bound to the name.
    return f"key-{digest.hex()[:8]}"
