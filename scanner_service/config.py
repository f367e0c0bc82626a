"""The configuration file as types. Unknown keys are errors that name their path."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import copy
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import inspect

from scanner_service import evidence, inheritance, strict_yaml
from scanner_service.errors import ConfigError
from scanner_service.sanitizer import Operator

DEFAULT_CONFIG = Path(__file__).parent / "data" / "default.yaml"

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
# Every number has a bound, far above what makes sense: what is larger would overflow somewhere, and not at start.
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=2**40)]
Timeout = Annotated[float, msgspec.Meta(gt=0, le=3600)]  # in seconds
Lifetime = Annotated[int, msgspec.Meta(ge=1, le=315_360_000)]  # in seconds: ten years

T = TypeVar("T")


class RuleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of a chain; see `policy.Rule` for what each key means and `docs/scanners.md` for the options."""

    name: Name
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
    try:
        written = strict_yaml.load(read(path) if content is None else content)
        whole = inheritance.merge(written)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    try:
        config = _convert(whole, Config, lambda steps: _as_written(steps, whole, written))
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
    return _convert(rule.options, type_, lambda steps: _spell(["options", *steps]))


def find_rule(config: Config, content: bytes, policy: str, direction: str, rule: str) -> str:
    """The path in *content*, from which *config* was read, of a rule by its name."""
    written = strict_yaml.load(content)
    place = [each.name for each in getattr(config.policies[policy], direction)].index(rule)
    return _as_written(["policies", policy, direction, place], inheritance.merge(written), written)


_Steps = Sequence[str | int]  # names of fields, keys of mappings and places in lists, from the top

_PROBLEM = re.compile(r"(?P<what>.*) - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>\w+)|\[(?P<place>[0-9]+)\]|\[\.\.\.\]")


def _convert(content: Any, type_: type[T], spell: Callable[[_Steps], str]) -> T:
    """*content* as *type_*; what is wrong with it is told with the path that *spell* makes, and with the choices."""
    message = _problem(content, type_)
    if message is None:
        return msgspec.convert(content, type_)
    parts = _PROBLEM.fullmatch(message)
    if parts is None:
        raise ConfigError(f"{message} - at `{spell([])}`")
    steps = _find(parts["path"], content, lambda tried: _problem(tried, type_) == message)
    choices = ", ".join(_choices(inspect.type_info(type_), steps)) if parts["what"].startswith("Invalid ") else ""
    listed = f"; there are: {choices}" if choices else ""
    raise ConfigError(f"{parts['what']} - at {parts['key'] or ''}`{spell(steps)}`{listed}")


def _problem(content: Any, type_: Any) -> str | None:
    try:
        msgspec.convert(content, type_)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _find(path: str, content: Any, is_wrong: Callable[[Any], bool]) -> _Steps:
    """
    The steps of a *path* of the decoder.

    It does not tell keys of mappings, but says `[...]`: which one that is shows when each stands there alone.
    """
    steps: list[str | int] = []
    for step in _STEP.finditer(path):
        if step["field"]:
            steps.append(step["field"])
        elif step["place"]:
            steps.append(int(step["place"]))
        else:
            alone = [
                (key, _put(content, steps, {key: value})) for key, value in reduce(getitem, steps, content).items()
            ]
            found = next((pair for pair in alone if is_wrong(pair[1])), None)
            if found is None:  # a mapping that must not be so small: the path ends there
                break
            key, content = found
            steps.append(key)
    return steps


def _put(content: Any, steps: _Steps, value: Any) -> Any:
    """A copy of *content* with *value* where *steps* lead."""
    if not steps:
        return value
    changed = copy(content)
    changed[steps[0]] = _put(content[steps[0]], steps[1:], value)
    return changed


def _choices(type_: inspect.Type, steps: _Steps) -> Sequence[str]:
    """What may stand where *steps* lead, if it is one of a few words."""
    if isinstance(type_, inspect.UnionType):
        return [word for each in type_.types for word in _choices(each, steps)]
    if isinstance(type_, inspect.StructType) and steps and steps[0] == type_.tag_field:
        return [str(type_.tag)]
    if steps:
        return [word for inner in _inside(type_, steps[0]) for word in _choices(inner, steps[1:])]
    if isinstance(type_, inspect.EnumType):
        return [str(member.value) for member in type_.cls]
    return [str(word) for word in type_.values] if isinstance(type_, inspect.LiteralType) else []


def _inside(type_: inspect.Type, step: str | int) -> Sequence[inspect.Type]:
    match type_:
        case inspect.StructType():
            return [field.type for field in type_.fields if field.encode_name == step]
        case inspect.DictType():
            return [type_.value_type]
        case inspect.ListType() | inspect.VarTupleType():
            return [type_.item_type]
    return []


def _as_written(steps: _Steps, whole: Any, written: Any) -> str:
    """The path in the file as it is *written* of what *steps* lead to once its policies are *whole*."""
    if len(steps) < 2 or steps[0] != "policies":
        return _spell(steps)
    name = steps[1]
    path = inheritance.written_path(_spell(steps[2:]), whole["policies"][name], written["policies"][name])
    return _spell(steps[:2]) + path.removeprefix("$")


def _spell(steps: _Steps) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _check(path: Path, config: Config) -> None:
    if config.default_policy not in config.policies:
        raise ConfigError(f"{path}: `$.default_policy` names `{config.default_policy}`, which is not in `$.policies`")
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
