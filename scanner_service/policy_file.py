"""Changing thresholds in a policy file, and nothing else: comments and layout stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import yaml

from scanner_service.calibration import DIGITS
from scanner_service.errors import ConfigError


def with_thresholds(content: str, policy: str, direction: str, rule: str, thresholds: Mapping[str, float]) -> str:
    """
    *content* with the thresholds of one rule set.

    Args:
        content: a configuration file.
        policy: the name of the policy.
        direction: `prompt` or `output`.
        rule: the name of the rule.
        thresholds: by label.

    Raises:
        ConfigError: if there is no such rule, or other policies share it.
    """
    node = _find_rule(content, policy, direction, rule)
    values = "{ " + ", ".join(f"{label}: {value:.{DIGITS}f}" for label, value in thresholds.items()) + " }"
    for key, value in node.value:
        if key.value == "thresholds":
            end = _end(content, value)
            return content[: value.start_mark.index] + values + content[end:]
    at = max(value.end_mark.index for key, value in node.value if key.value in ("name", "kind"))
    separator = ", " if node.flow_style else "\n" + " " * node.value[0][0].start_mark.column
    return f"{content[:at]}{separator}thresholds: {values}{content[at:]}"


def _find_rule(content: str, policy: str, direction: str, rule: str) -> yaml.MappingNode:
    tree = chain = yaml.compose(content, Loader=yaml.SafeLoader)
    for name in ("policies", policy, direction):
        chain = _entry(chain, name)
    for item in chain.value if isinstance(chain, yaml.SequenceNode) else ():
        name_node = _entry(item, "name")
        if name_node is not None and name_node.value == rule:
            if sum(node is item for node in _nodes(tree)) > 1:
                raise ConfigError(f"`$.policies.{policy}.{direction}` shares `{rule}` with others; write it out there")
            return cast("yaml.MappingNode", item)
    raise ConfigError(f"`$.policies.{policy}.{direction}` has no rule called `{rule}`")


def _nodes(node: yaml.Node | None) -> Iterator[yaml.Node]:
    """All nodes below *node*; one that several aliases name comes as often."""
    parts = node.value if isinstance(node, yaml.CollectionNode) else ()
    for part in parts:
        for each in part if isinstance(part, tuple) else (part,):
            yield each
            yield from _nodes(each)


def _entry(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for key, value in pairs if key.value == name), None)


def _end(content: str, node: yaml.Node) -> int:
    """Where *node* ends, without the line breaks and comments that YAML counts to a block."""
    end: int = node.end_mark.index
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        end = node.value[-1][1].end_mark.index
    return end
