"""The configuration file as types. Unknown keys are errors that name their path."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from scanner_service import evidence, inheritance, strict_yaml
from scanner_service.conversion import Steps, convert, spell
from scanner_service.errors import ConfigError
from scanner_service.sanitizer import Operator

DEFAULT_CONFIG = Path(__file__).parent / "data" / "default.yaml"

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
RuleName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
# Every number has a bound, far above what makes sense: what is larger would overflow somewhere, and not at start.
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=2**40)]
Timeout = Annotated[float, msgspec.Meta(gt=0, le=3600)]  # in seconds
Lifetime = Annotated[int, msgspec.Meta(ge=1, le=315_360_000)]  # in seconds: ten years

T = TypeVar("T")


class RuleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of a chain; see `policy.Rule` for what each key means and `docs/scanners.md` for the options."""

    name: RuleName
    kind: Name
    action: Literal["block", "redact", "monitor"] = "block"
    threshold: Share | None = None
    thresholds: dict[str, Share] = {}
    on_error: Literal["block", "allow"] = "block"
    optional: bool = False
    stops: bool = False
    operator: Operator = Operator.REPLACE
    operators: dict[str, Operator] = {}
    fold_variants: bool = False
    options: dict[str, Any] = {}


class ShadowConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which policy runs beside another one, and on which share of its scans; see `shadow`."""

    policy: Name
    share: Share


class EvidenceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which texts are kept in the audit log, sealed; see `evidence`.

    Attributes:
        public_key: of those who may read them, an X25519 key in base64.
        of: `blocked` texts only, or `all`.
    """

    public_key: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9+/]{43}=$")]
    of: Literal["blocked", "all"] = "blocked"


class PolicyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The chains of a policy. An empty chain would call everything valid, so there is none."""

    prompt: Annotated[list[RuleConfig], msgspec.Meta(min_length=1)]
    output: Annotated[list[RuleConfig], msgspec.Meta(min_length=1)]
    shadow: ShadowConfig | None = None
    evidence: EvidenceConfig | None = None


class KeyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What the holder of a key may do.

    Attributes:
        policies: those it may use, its default first; None for every policy.
        requests_per_minute: its own rate, in place of that in `Limits`.
    """

    policies: Annotated[list[Name], msgspec.Meta(min_length=1)] | None = None
    requests_per_minute: Count | None = None


class StdoutAudit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="to", tag="stdout"):
    """Events on standard output, a line each. `required`: a decision that is not recorded is not answered."""

    required: bool = False


class FileAudit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="to", tag="file"):
    """Events in a file, a line each, at an absolute `path`."""

    path: Annotated[str, msgspec.Meta(pattern="^/.")]
    required: bool = False


class OtlpAudit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="to", tag="otlp"):
    """Events as log records for a collector of OpenTelemetry, which the environment names."""

    required: bool = False


AuditConfig = StdoutAudit | FileAudit | OtlpAudit


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What a worker takes on.

    Attributes:
        max_body_bytes: a larger body is refused with 413.
        max_batch_items: prompts in one batch request.
        max_concurrent_requests: requests being answered by one worker; the next one is refused with 503.
        max_queued_windows: token windows waiting for a model in one worker; a scan that needs more is refused with 503.
        retry_after_seconds: what a refused caller is told to wait.
        requests_per_minute: of each key that has no rate of its own; more are refused with 429. None for any number.
        verdict_cache_entries: verdicts that a worker keeps for texts that come again; 0 for none.
        verdict_cache_bytes: how much memory they may take in one worker.
        verdict_cache_seconds: how long a verdict is kept.
    """

    max_body_bytes: Bytes = 1_048_576
    max_batch_items: Count = 64
    max_concurrent_requests: Count = 256
    max_queued_windows: Count = 16_384
    retry_after_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 1
    requests_per_minute: Count | None = None
    verdict_cache_entries: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 10_000
    verdict_cache_bytes: Bytes = 16_777_216
    verdict_cache_seconds: Lifetime = 600


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The whole file.

    Attributes:
        policies: by name.
        default_policy: used by requests that name none.
        scan_timeout_seconds: a scan that takes longer ends with 504.
        body_timeout_seconds: a body that takes longer to arrive ends with 408.
        allow_anonymous: whether the service starts, and answers, without any key.
        metrics_require_key: whether `/metrics` asks for a credential.
        keys: by name of the key, what its holder may do; a key not named here may use every policy.
        vault_lifetime_seconds: how long replaced values can be put back.
        limits: see `Limits`.
        audit: where decisions are recorded; None for nowhere.
        log_level: of the service's own log.
    """

    policies: Annotated[dict[Name, PolicyConfig], msgspec.Meta(min_length=1)]
    default_policy: Name = "default"
    scan_timeout_seconds: Timeout = 10.0
    body_timeout_seconds: Timeout = 10.0
    allow_anonymous: bool = False
    metrics_require_key: bool = False
    keys: dict[str, KeyConfig] = {}
    vault_lifetime_seconds: Lifetime = 86_400
    limits: Limits = Limits()
    audit: AuditConfig | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def read(path: Path) -> bytes:
    """
    The content of the file at *path*.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def load(path: Path, content: bytes | None = None) -> Config:
    """
    Read the configuration file at *path*, whose *content* may have been read before.

    Raises:
        ConfigError: if it cannot be read, is not YAML, or does not have the shape of `Config`; the message names
            the file and the place or path inside it.
    """
    content = read(path) if content is None else content
    try:
        written = strict_yaml.load(content)
        whole = inheritance.merge(written)
        config = convert(whole, Config, lambda steps: _as_written(steps, whole, written))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    _check(path, config)
    return config


def options(rule: RuleConfig, type_: type[T]) -> T:
    """
    Decode the options of *rule* into the type that its kind declares.

    Raises:
        ConfigError: naming the path inside the options.
    """
    return convert(rule.options, type_, lambda steps: spell(["options", *steps]))


def path_in(content: bytes, steps: Steps) -> str:
    """The path in the *content* of a configuration file of what *steps* lead to in the configuration."""
    written = strict_yaml.load(content)
    return _as_written(steps, inheritance.merge(written), written)


def _as_written(steps: Steps, whole: Any, written: Any) -> str:
    """The path in the file as it is *written* of what *steps* lead to once its policies are *whole*."""
    if len(steps) < 2 or steps[0] != "policies":
        return spell(steps)
    name = steps[1]
    path = inheritance.written_path(spell(steps[2:]), whole["policies"][name], written["policies"][name])
    return spell(steps[:2]) + path.removeprefix("$")


def _check(path: Path, config: Config) -> None:
    if config.default_policy not in config.policies:
        raise ConfigError(f"{path}: `$.default_policy` names `{config.default_policy}`, which is not in `$.policies`")
    if config.metrics_require_key and config.allow_anonymous:
        raise ConfigError(f"{path}: `$.metrics_require_key`: nobody needs a key where `$.allow_anonymous` is true")
    for key, entry in config.keys.items():
        for name in entry.policies or ():
            if name not in config.policies:
                raise ConfigError(f"{path}: `$.keys.{key}.policies` names `{name}`, which is not in `$.policies`")
    for name, policy in config.policies.items():
        _check_policy(f"{path}: `$.policies.{name}", name, policy, config)


def _check_policy(where: str, name: str, policy: PolicyConfig, config: Config) -> None:
    if policy.shadow is not None and policy.shadow.policy not in config.policies.keys() - {name}:
        raise ConfigError(f"{where}.shadow.policy` names `{policy.shadow.policy}`, no other policy")
    if policy.evidence is not None:
        _check_evidence(f"{where}.evidence", policy.evidence, config)
    for direction, rules in (("prompt", policy.prompt), ("output", policy.output)):
        names = [rule.name for rule in rules]
        for index, rule in enumerate(names):
            if rule in names[:index]:
                raise ConfigError(f"{where}.{direction}[{index}].name`: `{rule}` is taken")


def _check_evidence(where: str, kept: EvidenceConfig, config: Config) -> None:
    try:
        evidence.read_public_key(kept.public_key)
    except ConfigError as error:
        raise ConfigError(f"{where}.public_key`: {error}") from None
    if config.audit is None:
        raise ConfigError(f"{where}` is kept in the audit log, and there is none: `$.audit`")
