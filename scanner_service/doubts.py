"""What a configuration file says to no effect. It is no error, and hardly what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from scanner_service import strict_yaml
from scanner_service.chain import DEFAULT_THRESHOLD
from scanner_service.sanitizer import Operator
from scanner_service.scanners._presidio.options import AdHocPattern, DenyList

_DIRECTIONS = ("prompt", "output")


def find(content: bytes) -> list[str]:
    """
    What is said to no effect in *content*, of a file that can be used, with its path.

    A rule is taken as it is written: what it gets from the rule of a base is meant for others.
    """
    return [
        doubt
        for name, policy in strict_yaml.load(content)["policies"].items()
        for direction in _DIRECTIONS
        for at, rule in enumerate(policy.get(direction, ()))
        for doubt in _of_rule(f"$.policies.{name}.{direction}[{at}]", rule)
    ]


def _of_rule(path: str, rule: dict[str, Any]) -> Iterator[str]:
    yield from _of_action(path, rule)
    if rule.get("kind") == "pii":
        yield from _of_values(path, rule)


def _of_values(path: str, rule: dict[str, Any]) -> Iterator[str]:
    of_label, of_rule, options = rule.get("thresholds", {}), rule.get("threshold"), rule.get("options", {})
    types: dict[str, type[AdHocPattern | DenyList]] = {"patterns": AdHocPattern, "deny_lists": DenyList}
    for key, type_ in types.items():
        for at, written in enumerate(options.get(key, ())):
            own = msgspec.convert(written, type_)
            threshold = of_label.get(own.label, DEFAULT_THRESHOLD if of_rule is None else of_rule)
            if own.score < threshold and not written.get("context"):
                yield (
                    f"`{path}.options.{key}[{at}].score`: under the rule's threshold of {threshold}, and there is no "
                    "`context` to raise it"
                )


def _of_action(path: str, rule: dict[str, Any]) -> Iterator[str]:
    action = rule.get("action", "block" if "kind" in rule else None)  # without a kind it is that of a base
    if rule.get("stops") and action in ("redact", "monitor"):
        yield f"`{path}.stops`: a rule stops the others once it blocks, and this one's action is `{action}`"
    if action not in ("block", "monitor"):
        return
    for key, usual in (("operator", Operator.REPLACE), ("operators", {}), ("fold_variants", False)):
        if rule.get(key, usual) != usual:
            yield f"`{path}.{key}`: says how to redact, and this rule's action is `{action}`"
