"""What a caller may ask for: a policy, rules to leave out, lower thresholds, more entities; never a laxer policy."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from scanner_service.errors import ConfigError, Forbidden, InvalidRequest
from scanner_service.http import wire
from scanner_service.http.auth import Caller
from scanner_service.policy import Policy, Rule
from scanner_service.scanner import Widening


def choose_policy(policies: Mapping[str, Policy], default: str, name: str | None, caller: Caller) -> Policy:
    """
    The policy that *caller* asks for; without a *name*, its own first one or the *default*.

    Raises:
        Forbidden: if the policy is not for this caller.
        InvalidRequest: if there is no such policy.
    """
    if name is None:
        return policies[caller.policies[0] if caller.policies else default]
    if caller.policies is not None and name not in caller.policies:
        raise Forbidden("`$.policy`: not for this credential")
    if name not in policies:
        raise InvalidRequest("`$.policy`: there is no such policy")
    return policies[name]


async def permitted(rules: Sequence[Rule], asked: wire.Request) -> Sequence[Rule]:
    """
    The rules of a chain as a request may have them: tightened, and without those that it suppresses.

    Raises:
        Forbidden: if it would loosen the policy.
        InvalidRequest: if it names a rule that the chain does not have, or an entity that the rule does not know.
    """
    if asked.entities:
        rules = await asyncio.to_thread(_widened, rules, asked.entities)
    return _without_suppressed(_tightened(rules, asked.thresholds), asked.scanners_suppress)


def _widened(rules: Sequence[Rule], entities: Mapping[str, Sequence[str]]) -> Sequence[Rule]:
    if not entities.keys() <= {rule.name for rule in rules}:
        raise InvalidRequest("`$.entities`: names a rule that this policy does not have here")
    return [_looking_for(rule, frozenset(entities[rule.name])) if rule.name in entities else rule for rule in rules]


def _looking_for(rule: Rule, more: frozenset[str]) -> Rule:
    if not isinstance(rule.scanner, Widening):
        raise InvalidRequest(f"`$.entities.{rule.name}`: this rule does not look for entities")
    try:
        return replace(rule, scanner=rule.scanner.looking_for(more), added=more)
    except ConfigError:
        raise InvalidRequest(f"`$.entities.{rule.name}`: one of them is no entity that this rule knows") from None


def _tightened(rules: Sequence[Rule], thresholds: Mapping[str, float]) -> Sequence[Rule]:
    if not thresholds:
        return rules
    if not thresholds.keys() <= {rule.name for rule in rules}:
        raise InvalidRequest("`$.thresholds`: names a rule that this policy does not have here")
    return [_lowered(rule, thresholds[rule.name]) if rule.name in thresholds else rule for rule in rules]


def _lowered(rule: Rule, threshold: float) -> Rule:
    if not threshold <= max(rule.threshold, *rule.thresholds.values(), 0.0):
        raise Forbidden(f"`$.thresholds.{rule.name}`: over every threshold of the rule; a request may only lower them")
    own = {label: min(at, threshold) for label, at in rule.thresholds.items()}
    return replace(rule, threshold=min(rule.threshold, threshold), thresholds=own)


def _without_suppressed(rules: Sequence[Rule], names: Sequence[str]) -> Sequence[Rule]:
    optional = {rule.name for rule in rules if rule.optional}
    for at, name in enumerate(names):
        if name not in optional:
            raise Forbidden(f"`$.scanners_suppress[{at}]`: not an optional rule of this policy")
    left = [rule for rule in rules if rule.name not in names]
    if not left:
        raise Forbidden("`$.scanners_suppress`: nothing would be left to scan with")
    return left
