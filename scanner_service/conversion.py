"""What a file holds, as a type; what is wrong is told with its path, keys of mappings too, and with the choices."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import copy
from functools import reduce
from operator import getitem
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from scanner_service.errors import ConfigError

T = TypeVar("T")

Steps = Sequence[str | int]  # names of fields, keys of mappings and places in lists, from the top

_PROBLEM = re.compile(r"(?P<what>.*) - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>\w+)|\[(?P<place>[0-9]+)\]|\[\.\.\.\]")


def spell(steps: Steps) -> str:
    """The path that *steps* are: `$.policies.default.prompt[0]`."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def convert(content: Any, type_: type[T], spell: Callable[[Steps], str] = spell) -> T:
    """
    *content*, as a file holds it, as *type_*.

    Args:
        content: mappings, lists and plain values.
        type_: a type of msgspec.
        spell: makes a path of the steps to what is wrong.

    Raises:
        ConfigError: saying what is wrong, its path and, where it is one of a few words, the choices.
    """
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


def _find(path: str, content: Any, is_wrong: Callable[[Any], bool]) -> Steps:
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


def _put(content: Any, steps: Steps, value: Any) -> Any:
    """A copy of *content* with *value* where *steps* lead."""
    if not steps:
        return value
    changed = copy(content)
    changed[steps[0]] = _put(content[steps[0]], steps[1:], value)
    return changed


def _choices(type_: inspect.Type, steps: Steps) -> Sequence[str]:
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
