"""A `scanners.yml` of LLM Guard as a configuration of ours, with what is not the same."""

from __future__ import annotations

import contextlib
import json
import re
import textwrap
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from scanner_service import config, registry, strict_yaml
from scanner_service.config import RuleConfig
from scanner_service.conversion import Steps, convert, spell
from scanner_service.errors import ConfigError
from scanner_service.llm_guard import SCANNERS, UNKNOWN, Note, brief, named
from scanner_service.scanner import Labelled, ModelInfo

MAX_BYTES = 1_048_576
MAX_SIZE = 4 * MAX_BYTES  # in characters and values, with everything that is written once and used again

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<default>.*))?\}", re.DOTALL)
_RATE = re.compile(
    r"\s*(?P<count>[1-9][0-9]{0,8})\s*(?:/|per\s)\s*(?:(?P<times>[1-9][0-9]{0,8})\s*)?"
    r"(?P<unit>second|minute|hour|day|month|year)s?\s*",
    re.IGNORECASE,
)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "month": 2_592_000, "year": 31_104_000}
_CHAINS = {"input_scanners": "prompt", "output_scanners": "output"}
_LONGEST_SCAN = 3600
_HIGHEST_RATE = 1_000_000
_SHORTEST_KEY = 16
_WIDTH = 118

Seconds = Annotated[float, msgspec.Meta(gt=0)]


class ScannerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One of the scanners of a chain."""

    type: str
    params: Any = None


class App(msgspec.Struct, frozen=True, kw_only=True):
    """What is carried over of `app`."""

    log_level: str = "INFO"
    scan_fail_fast: bool = False
    scan_prompt_timeout: Seconds = 10
    scan_output_timeout: Seconds = 30


class Auth(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of `auth`; none of it is carried over."""

    type: Any = None
    token: Any = None
    username: Any = None
    password: Any = None


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """`rate_limit`."""

    enabled: bool = False
    limit: str = "100/minute"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    app: App | None = None
    rate_limit: RateLimit | None = None
    auth: Auth | None = None
    tracing: Any = None
    metrics: Any = None
    input_scanners: list[ScannerEntry] | None = None
    output_scanners: list[ScannerEntry] | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A note, and the place in the file that it is about."""

    place: str
    note: Note

    def __str__(self) -> str:
        text = "".join(each if each.isprintable() else " " for each in self.note.text)
        return f"{self.place}: {text}"


_OF_APP = {
    "name": "not carried over: the service has no name; OTEL_SERVICE_NAME names it in traces",
    "log_json": "not carried over: the log is always JSON",
    "lazy_load": "not carried over: models are loaded at start, before the service says that it is ready",
}
_EVERYWHERE = (
    Said("order", Note("there a scanner reads what those before it have left; here every rule reads the text itself")),
    Said("`scanners_suppress`", Note("there callers may leave out any scanner, here only rules with `optional: true`")),
)


@dataclass(frozen=True, slots=True)
class Part:
    """Something of the file: the settings or the rule that it becomes, if any, and what there is to say about it."""

    content: Mapping[str, Any]
    said: Sequence[Said] = ()


@dataclass(frozen=True, slots=True)
class Migrated:
    """
    What a file becomes.

    Attributes:
        settings: of the whole service.
        chains: by direction, a part for each scanner, in order.
    """

    settings: Part
    chains: Mapping[str, Sequence[Part]]

    @property
    def said(self) -> list[Said]:
        """Everything that is not the same here."""
        parts = (self.settings, *(part for chain in self.chains.values() for part in chain))
        return [said for part in parts for said in part.said]

    @property
    def loses(self) -> bool:
        """Whether something blocks or redacts there that nothing here does."""
        return any(said.note.lost for said in self.said)

    def as_yaml(self) -> str:
        """The configuration, with what there is to say as comments."""
        lines = [
            "# Made by `scanner-service migrate` from a scanners.yml of LLM Guard.",
            *_comments(self.settings.said),
        ]
        lines += [_dump(self.settings.content, flow=False), "policies:", "  default:"]
        for direction, chain in self.chains.items():
            lines.append(f"    {direction}:")
            for part in chain:
                written = [*_comments(part.said), *([_dump([part.content])] if part.content else [])]
                lines.append(textwrap.indent("\n".join(written), " " * 6))
        return "\n".join(line for line in lines if line) + "\n"


def read(path: Path) -> bytes:
    """
    The content of the file at *path*.

    Raises:
        ConfigError: if it cannot be read, or is larger than any such file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: more than {MAX_BYTES} bytes; no scanners.yml is so large")
    return content


def migrate(path: Path, content: bytes, environment: Mapping[str, str], models: Mapping[str, ModelInfo]) -> Migrated:
    """
    What the file at *path* becomes.

    Args:
        path: for messages.
        content: of the file.
        environment: the values of its `${VARIABLES}`.
        models: those that rules may name.

    Raises:
        ConfigError: if it is no scanners.yml; the message names the file and the place in it.
    """
    try:
        written, variables = _load(content, environment)
        file = _decode(written)
        settings = _settings(file, [*variables, *_unknown("$", written, File), *_of_sections(written)])
        known = _entities(models)
        chains = {
            direction: _chain(key, getattr(file, key) or [], written, known, models)
            for key, direction in _CHAINS.items()
        }
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return Migrated(settings, chains)


def _decode(written: Any) -> File:
    file = convert(written, File)
    if not file.input_scanners and not file.output_scanners:
        raise ConfigError("neither `$.input_scanners` nor `$.output_scanners`; is this a scanners.yml of LLM Guard?")
    return file


def _load(content: bytes, environment: Mapping[str, str]) -> tuple[Any, list[Said]]:
    """What *content* says, with the variables in it replaced, and which of them the environment gave a value."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError("not UTF-8") from None
    strict_yaml.load(text.encode())  # what is refused is not gone through
    said: list[Said] = []
    pieces, at = [], 0
    for node in sorted(_plain(text), key=lambda node: node.start_mark.index):
        place = f"line {node.start_mark.line + 1}"
        variable = _VARIABLE.fullmatch(node.value)
        if variable is None:
            said.append(Said(place, Note("a variable beside other text is not replaced; write out what is meant")))
            continue
        name, default = named(variable["name"]), variable["default"]
        value = environment.get(variable["name"], default)
        if value is None:
            raise ConfigError(f"{place}: the variable {name} is not set and has no default; set it")
        if variable["name"] in environment:
            said.append(Said(place, Note(f"the variable {name} is read now; a configuration has no variables here")))
        pieces += [text[at : text.index("${", node.start_mark.index)], _as_scalar(value)]
        at = node.end_mark.index
    written = strict_yaml.load("".join([*pieces, text[at:]]).encode())
    _check_size(written)
    return written, said


def _plain(text: str) -> Iterator[yaml.ScalarNode]:
    """The scalars of *text* that begin with a variable and are not quoted."""
    left, seen = [yaml.compose(text, Loader=yaml.SafeLoader)], set()
    while left:
        node = left.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            left += [each for pair in node.value for each in pair]
        elif isinstance(node, yaml.SequenceNode):
            left += node.value
        elif isinstance(node, yaml.ScalarNode) and not node.style and node.value.startswith("${"):
            yield node


def _as_scalar(value: str) -> str:
    """*value* as it is written in YAML: a number, a truth value or nothing if it reads so, otherwise a text."""
    with contextlib.suppress(ConfigError, UnicodeEncodeError):
        read = strict_yaml.load(value.encode())
        if read is None or isinstance(read, bool | int | float):
            return json.dumps(read)
    return yaml.safe_dump(value, default_style='"', width=2**31).strip()


def _check_size(written: Any) -> None:
    """A few lines can mean gigabytes where what is written once is used again and again."""
    left, size = [written], 0
    while left:
        value = left.pop()
        size += len(value) if isinstance(value, str) else 1
        if size > MAX_SIZE:
            raise ConfigError("aliases make it larger than any scanners.yml; write it out")
        if isinstance(value, dict):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            left += value


def _settings(file: File, said: Sequence[Said]) -> Part:
    app = file.app or App()
    level = app.log_level.lower()
    rate, of_rate = _of_rate(file.rate_limit or RateLimit())
    settings: dict[str, Any] = {
        "scan_timeout_seconds": min(max(app.scan_prompt_timeout, app.scan_output_timeout), _LONGEST_SCAN)
    }
    if level in ("debug", "warning", "error"):
        settings["log_level"] = level
    if file.auth is None:
        settings["allow_anonymous"] = True
    if rate is not None:
        settings["limits"] = {"requests_per_minute": rate}
    return Part(settings, [*said, *_of_app(app), *_of_auth(file.auth), *of_rate, *_of_telemetry(file), *_EVERYWHERE])


def _of_sections(written: Mapping[str, Any]) -> Iterator[Said]:
    yield from _unknown("$.app", written.get("app") or {}, App, _OF_APP)
    yield from _unknown("$.rate_limit", written.get("rate_limit") or {}, RateLimit)
    yield from _unknown("$.auth", written.get("auth") or {}, Auth)


def _of_app(app: App) -> Iterator[Said]:
    if app.scan_prompt_timeout != app.scan_output_timeout:
        yield Said("`$.app`", Note("prompts and outputs share one time-out here, the longer one; a scan ends with 504"))
    if max(app.scan_prompt_timeout, app.scan_output_timeout) > _LONGEST_SCAN:
        yield Said("`$.app`", Note(f"a scan may take {_LONGEST_SCAN} seconds at most"))
    if app.scan_fail_fast:
        yield Said("`$.app.scan_fail_fast`", Note("not carried over: `stops: true` on a rule that blocks ends a scan"))
    if app.log_level.lower() not in ("debug", "info", "warning", "error"):
        yield Said("`$.app.log_level`", Note("not carried over: `log_level` is debug, info, warning or error"))


def _of_auth(auth: Auth | None) -> Iterator[Said]:
    if auth is None:
        yield Said(
            "`$.auth`", Note("is missing, so that anybody may call: `allow_anonymous: true`; better remove that")
        )
        return
    secret = auth.token or auth.password
    short = secret is not None and len(str(secret)) < _SHORTEST_KEY
    yield Said(
        "`$.auth`",
        Note(
            "credentials are not written into the file: set SCANNER_API_KEYS=NAME=KEY, a key of at least "
            f"{_SHORTEST_KEY} characters" + (", which the one there has not; make another" if short else "")
        ),
    )
    if auth.type == "http_basic":
        yield Said(
            "`$.auth.type`", Note("Basic credentials have the key as user name or password, whatever the other is")
        )


def _of_rate(asked: RateLimit) -> tuple[int | None, list[Said]]:
    if not asked.enabled:
        return None, []
    rates = [_RATE.fullmatch(each) for each in re.split("[,;|]", asked.limit)]
    if None in rates:
        raise ConfigError("`$.rate_limit.limit`: not a rate such as 100/minute; write one or several, parted by `;`")
    lowest = min(
        int(rate["count"]) * 60 / (int(rate["times"] or 1) * _SECONDS[rate["unit"].lower()]) for rate in rates if rate
    )
    per_minute = max(1, min(int(lowest), _HIGHEST_RATE))
    rounded = "" if per_minute == lowest else ", rounded"
    text = f"{per_minute} requests per minute{rounded}, counted for each key here, there for each address"
    return per_minute, [Said("`$.rate_limit.limit`", Note(text))]


def _of_telemetry(file: File) -> Iterator[Said]:
    if file.metrics is not None:
        yield Said(
            "`$.metrics`", Note("not carried over: `/metrics` is always there for Prometheus, nothing is pushed")
        )
    if file.tracing is not None:
        why = "not carried over: set OTEL_EXPORTER_OTLP_TRACES_ENDPOINT to its endpoint; traces are not printed here"
        yield Said("`$.tracing`", Note(why))


def _chain(
    key: str, scanners: Sequence[ScannerEntry], written: Any, known: Collection[str], models: Mapping[str, ModelInfo]
) -> list[Part]:
    taken: Counter[str] = Counter()
    built: set[bytes] = set()
    parts: list[Part] = []
    for at, scanner in enumerate(scanners):
        rule, notes = _carry(scanner, (key, at, "params"), known)
        if rule:
            rule = {"name": _rule_name(scanner.type, taken[scanner.type] + 1), **rule}
            try:
                _build(rule, models, built)
            except ConfigError as error:
                rule, notes = {}, [*notes, Note(f"left out, for it cannot be carried over: {brief(error)}", lost=True)]
        taken[scanner.type] += bool(rule)
        place = spell((key, at))
        said = [Said(f"`{place}`, {named(scanner.type)}", note) for note in notes]
        parts.append(Part(rule, [*said, *_unknown(place, written[key][at], ScannerEntry)]))
    if not any(part.content for part in parts):
        watching = {"name": "invisible_text", "kind": "invisible_text", "action": "monitor"}
        why = "nothing is left that blocks or redacts; a chain needs a rule, and this one only watches"
        parts.append(Part(watching, [Said(f"`$.{key}`", Note(why))]))
    return parts


def _rule_name(scanner: str, nth: int) -> str:
    """That of its class, under which its callers know it; of a second one with its number."""
    return scanner if nth == 1 else f"{scanner}_{nth}"


def _carry(scanner: ScannerEntry, steps: Steps, known: Collection[str]) -> tuple[Mapping[str, Any], list[Note]]:
    """The rule that *scanner* becomes, without its name, or nothing; and what there is to say about it."""
    given = {} if scanner.params is None else scanner.params
    entry = SCANNERS.get(scanner.type, UNKNOWN)
    carried = entry.carry(convert(given, entry.parameters, lambda inner: spell([*steps, *inner])), known)
    taken = {field.name for field in msgspec.structs.fields(entry.parameters)}
    others: dict[str, list[str]] = {}
    for name in given:
        if name not in taken:
            others.setdefault(entry.others.get(name, "not known, and not carried over"), []).append(named(name))
    if carried.rule is None:
        first, *more = carried.notes
        names = ", ".join(named(name) for name in given)
        return {}, [Note(first.text + f" (its parameters: {names})" * bool(given), first.lost), *more]
    return carried.rule, [*carried.notes, *(Note(f"{', '.join(names)}: {text}") for text, names in others.items())]


def _build(rule: Mapping[str, Any], models: Mapping[str, ModelInfo], built: set[bytes]) -> None:
    """
    See whether the service could use *rule*, unless one like it is among those that were *built*.

    Raises:
        ConfigError: if not.
    """
    decoded = convert(rule, RuleConfig)
    key = msgspec.json.encode((decoded.kind, decoded.options))
    if key not in built:
        kind = registry.find(decoded.kind)
        kind.build(config.options(decoded, kind.Config), models)
        built.add(key)


def _entities(models: Mapping[str, ModelInfo]) -> Collection[str]:
    """What the kind `pii` can look for with the shipped model."""
    kind = registry.find("pii")
    pii = kind.build(kind.Config(model="guard"), models)
    return pii.labels if isinstance(pii, Labelled) else ()


def _unknown(
    path: str, written: Mapping[Any, Any], type_: type[msgspec.Struct], why: Mapping[str, str] | None = None
) -> Iterator[Said]:
    """What stands in *written* that *type_* does not have, and, where that is known, why it is not carried over."""
    fields = {field.name for field in msgspec.structs.fields(type_)}
    for key in written:
        if key not in fields:
            text = (why or {}).get(key, "not known, and not carried over")
            yield Said(f"`{path}`, {named(key)}", Note(text))


def _comments(said: Sequence[Said]) -> list[str]:
    return [
        line
        for each in said
        for line in textwrap.wrap(str(each), _WIDTH - 8, initial_indent="# ", subsequent_indent="#   ")
    ]


class _Dumper(yaml.SafeDumper):
    """Writes out what occurs twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _dump(content: Any, *, flow: bool | None = None) -> str:
    """*content* as YAML; what holds no other lists and mappings takes a line of its own, unless *flow* forbids it."""
    written: str = yaml.dump(
        content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH - 12, default_flow_style=flow
    )
    return written.rstrip("\n")
