"""Safe YAML in which nothing is lost silently, and whose errors say where, without quoting what stands there."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from scanner_service.errors import ConfigError

_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_IN_ANOTHER_BASE = re.compile(r"[-+]?0[0-9_]|.*:")


def load(content: bytes) -> Any:
    """
    What *content* says.

    Raises:
        ConfigError: it is not YAML, a key occurs twice, or a value cannot be read as what it is tagged or looks like.
    """
    try:
        return yaml.load(content, Loader=_StrictLoader)  # noqa: S506 - derived from the safe one
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {_problem(error)}") from None


def _problem(error: yaml.YAMLError) -> str:
    """What is wrong and where, without the lines around it, which PyYAML would quote."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{what} - at line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"


class _StrictLoader(yaml.SafeLoader):
    """
    Safe YAML that raises nothing but `yaml.YAMLError`, and refuses more: a key that occurs twice, of which the last
    would win silently, a value that holds itself, text that cannot be encoded, and numbers that YAML 1.1 reads in a
    base that nobody means: `010` is 8 there, and `10:00` is 600.
    """

    def get_single_node(self) -> yaml.Node | None:
        try:
            return super().get_single_node()
        except (ValueError, OverflowError, RecursionError):
            problem = "an escape that is no character, or brackets nested too deeply"
            raise ComposerError(None, None, problem, self.get_mark()) from None

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node.tag in _NUMBERS and isinstance(node, yaml.ScalarNode) and _IN_ANOTHER_BASE.match(node.value):
            problem = "a number in base 8 or 60: write it without a leading 0 and without `:`, or in quotes as a text"
            raise ConstructorError(None, None, problem, node.start_mark)
        try:
            value = super().construct_object(node, deep=True)  # nothing is left for later, when no place is known
            if isinstance(value, str):
                value.encode()
        except yaml.YAMLError:
            raise
        except Exception:  # noqa: BLE001 - `!!int x` and `2021-99-99` raise whatever Python says to them
            problem = f"cannot be read as `{node.tag.rpartition(':')[2]}`"
            raise ConstructorError(None, None, problem, node.start_mark) from None
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                problem = "a mapping or a list is no key; is this a template that was not rendered?"
                raise ConstructorError(None, None, problem, key_node.start_mark)
            if key in seen:
                raise ConstructorError(None, None, f"key `{key}` occurs twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)
