"""Policies that say only where they differ from another one: merged into whole ones before they are decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from scanner_service.errors import ConfigError

_DIRECTIONS = ("prompt", "output")


class DerivedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    A policy as it is written down beside its base. Only the chains come from the base, its shadow for one does not.

    Attributes:
        base: a policy without a base of its own.
        prompt: rules for prompts. One that has the name of a rule of the base replaces the fields that it gives; one
            with another name is added at the end.
        output: the same for outputs.
        without: names of rules of the base that the policy does not have, in either chain.
    """

    base: str
    prompt: list[dict[str, Any]] = []
    output: list[dict[str, Any]] = []
    without: list[str] = []


def merge(content: Any) -> Any:
    """
    The *content* of a configuration file with every policy whole, those without a base first.

    What has no shape to merge is left for the decoder to refuse.

    Raises:
        ConfigError: naming the policy and the path inside it.
    """
    written = content.get("policies") if isinstance(content, dict) else None
    if not isinstance(written, dict):
        return content
    whole = {name: policy for name, policy in written.items() if not _is_derived(policy)}
    derived = {name: policy for name, policy in written.items() if _is_derived(policy)}
    merged = {name: _merge_policy(f"$.policies.{name}", policy, whole, derived) for name, policy in derived.items()}
    return {**content, "policies": whole | merged}


def written_path(path: str, merged: Any, written: Any) -> str:
    """
    The path in a policy as it is *written* that leads to what *path* leads to in the policy as it was *merged*.

    Rules have other places in a merged chain than in the file.
    """
    if not _is_derived(written):
        return path
    for direction in _DIRECTIONS:
        names = [rule["name"] for rule in written.get(direction, ())]
        for at, rule in enumerate(merged[direction]):
            prefix = f"$.{direction}[{at}]"
            if path.startswith(prefix) and rule["name"] in names:
                return f"$.{direction}[{names.index(rule['name'])}]{path.removeprefix(prefix)}"
    return path


def _is_derived(policy: Any) -> bool:
    return isinstance(policy, dict) and "base" in policy


def _merge_policy(path: str, policy: dict[Any, Any], whole: Mapping[Any, Any], derived: Mapping[Any, Any]) -> Any:
    try:
        asked = msgspec.convert(policy, DerivedPolicy)
    except msgspec.ValidationError as error:
        message = str(error) if "`$" in str(error) else f"{error} - at `$`"
        raise ConfigError(message.replace("`$", f"`{path}")) from None
    if asked.base in derived:
        raise ConfigError(f"`{path}.base` names `{asked.base}`, which has a base itself")
    if asked.base not in whole:
        raise ConfigError(f"`{path}.base` names `{asked.base}`, which is not in `$.policies`")
    base = whole[asked.base]
    if not isinstance(base, dict) or not all(_is_chain(base.get(direction)) for direction in _DIRECTIONS):
        return base  # what is wrong with it is said where it stands
    names = {rule["name"] for direction in _DIRECTIONS for rule in base[direction]}
    for at, name in enumerate(asked.without):
        if name not in names:
            raise ConfigError(f"`{path}.without[{at}]` names `{name}`, which is no rule of `{asked.base}`")
    own = {key: value for key, value in policy.items() if key not in ("base", "without")}
    chains = {
        direction: _merge_chain(f"{path}.{direction}", direction, base[direction], asked) for direction in _DIRECTIONS
    }
    for direction, chain in chains.items():
        if base[direction] and not chain:
            raise ConfigError(f"`{path}.without` leaves no rule in `{direction}`")
    return {**own, **chains}


def _is_chain(rules: Any) -> bool:
    return isinstance(rules, list) and all(
        isinstance(rule, dict) and isinstance(rule.get("name"), str) for rule in rules
    )


def _merge_chain(
    path: str, direction: str, base: Sequence[dict[str, Any]], asked: DerivedPolicy
) -> list[dict[str, Any]]:
    chain = {rule["name"]: rule for rule in base if rule["name"] not in asked.without}
    seen: set[str] = set()
    for at, rule in enumerate(getattr(asked, direction)):
        name = rule.get("name")
        if not isinstance(name, str):
            raise ConfigError(f"`{path}[{at}].name`: every rule needs a name")
        if name in seen:
            raise ConfigError(f"`{path}[{at}].name`: `{name}` is taken")
        if name not in chain and "kind" not in rule:
            why = "is left out" if name in asked.without else f"is no {direction} rule of `{asked.base}`"
            raise ConfigError(f"`{path}[{at}]`: `{name}` {why}; a new rule needs a `kind`")
        seen.add(name)
        chain[name] = {**chain.get(name, {}), **rule}
    return list(chain.values())
