"""What a caller may ask for: a policy, rules to leave out, lower thresholds. Requests can tighten, never loosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scanner_service.errors import Forbidden, InvalidRequest
from scanner_service.http import wire
from scanner_service.http.auth import Caller
from scanner_service.policy import Policy, Rule


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


def permitted(rules: Sequence[Rule], asked: wire.Request) -> Sequence[Rule]:
    """
    The rules of a chain as a request may have them: tightened, and without those that it suppresses.

    Raises:
        Forbidden: if it would loosen the policy.
        InvalidRequest: if it names a threshold for a rule that the chain does not have.
    """
    return _without_suppressed(_tightened(rules, asked.thresholds), asked.scanners_suppress)


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
