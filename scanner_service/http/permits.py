"""What a caller may ask for: a policy, and rules to leave out. Requests can tighten, never loosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scanner_service.errors import Forbidden, InvalidRequest
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


def without_suppressed(rules: Sequence[Rule], names: Sequence[str]) -> Sequence[Rule]:
    """
    *rules* without those that the caller suppresses by *names*.

    Raises:
        Forbidden: if one of them is not optional, or nothing would be left.
    """
    optional = {rule.name for rule in rules if rule.optional}
    for at, name in enumerate(names):
        if name not in optional:
            raise Forbidden(f"`$.scanners_suppress[{at}]`: not an optional rule of this policy")
    left = [rule for rule in rules if rule.name not in names]
    if not left:
        raise Forbidden("`$.scanners_suppress`: nothing would be left to scan with")
    return left
