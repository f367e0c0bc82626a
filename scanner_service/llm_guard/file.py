"""A `scanners.yml`: what may stand in it, and how it is read."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from scanner_service import strict_yaml
from scanner_service.conversion import convert
from scanner_service.errors import ConfigError
from scanner_service.llm_guard.notes import Note, Said, named

MAX_BYTES = 1_048_576


MAX_SIZE = 4 * MAX_BYTES  # in characters and values, with everything that is written once and used again


_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<default>.*))?\}", re.DOTALL)


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


def decode(written: Any) -> File:
    """
    What `load` has read, as a type.

    Raises:
        ConfigError: if a value is wrong, or there are no scanners.
    """
    file = convert(written, File)
    if not file.input_scanners and not file.output_scanners:
        raise ConfigError("neither `$.input_scanners` nor `$.output_scanners`; is this a scanners.yml of LLM Guard?")
    return file


def load(content: bytes, environment: Mapping[str, str]) -> tuple[Any, list[Said]]:
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


def unknown(
    path: str, written: Mapping[Any, Any], type_: type[msgspec.Struct], why: Mapping[str, str] | None = None
) -> Iterator[Said]:
    """What stands in *written* that *type_* does not have, and, where that is known, why it is not carried over."""
    fields = {field.name for field in msgspec.structs.fields(type_)}
    for key in written:
        if key not in fields:
            text = (why or {}).get(key, "not known, and not carried over")
            yield Said(f"`{path}`, {named(key)}", Note(text))
