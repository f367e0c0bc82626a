"""From configuration to rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from scanner_service import registry
from scanner_service.config import Config, PolicyConfig, RuleConfig, options
from scanner_service.conversion import Steps
from scanner_service.errors import ConfigError
from scanner_service.evidence import Evidence, read_public_key
from scanner_service.findings import Action
from scanner_service.policy import Policy, Rule, Shadow
from scanner_service.sanitizer import Operator
from scanner_service.scanner import Labelled, ModelInfo, Scanner
from scanner_service.substitutes import check_fakes

DEFAULT_THRESHOLD = 0.5

# Rules of the same kind with the same options share a scanner, which keeps no state: that of `secrets` is dear to
# build and to hold, and policies for many callers differ in a rule or two.
_Built = dict[tuple[str, bytes], Scanner]


class RuleError(ConfigError):
    """
    A rule that cannot be built; the message names its policy and itself.

    Attributes:
        steps: to the rule, from the top of the configuration.
    """

    def __init__(self, message: str, steps: Steps) -> None:
        super().__init__(message)
        self.steps = steps


def build_policies(config: Config, models: Mapping[str, ModelInfo]) -> Mapping[str, Policy]:
    """
    Make every policy of *config*.

    Raises:
        RuleError: naming the policy, the rule and what is wrong with it.
    """
    built: _Built = {}
    policies = {
        name: Policy(
            name=name,
            digest=_digest(policy, models),
            prompt=tuple(_build_rules(name, "prompt", policy.prompt, models, built)),
            output=tuple(_build_rules(name, "output", policy.output, models, built)),
            evidence=_evidence(policy),
        )
        for name, policy in config.policies.items()
    }
    return {
        name: policy
        if (shadow := config.policies[name].shadow) is None
        # A shadow has none itself: it is the policy as it was before this step.
        else replace(policy, shadow=Shadow(policies[shadow.policy], shadow.share))
        for name, policy in policies.items()
    }


def _build_rules(
    policy: str, direction: str, rules: Sequence[RuleConfig], models: Mapping[str, ModelInfo], built: _Built
) -> Iterator[Rule]:
    for at, rule in enumerate(rules):
        try:
            yield _build_rule(rule, models, built)
        except ConfigError as error:
            where = f"policy `{policy}`, {direction}, rule `{rule.name}`"
            raise RuleError(f"{where}: {error}", ("policies", policy, direction, at)) from None


def _build_rule(rule: RuleConfig, models: Mapping[str, ModelInfo], built: _Built) -> Rule:
    scanner = _build_scanner(rule, models, built)
    _check_labels(rule, scanner)
    if Operator.FAKE in (rule.operator, *rule.operators.values()):
        check_fakes()
    for need in scanner.needs:
        if need.model not in models:
            raise ConfigError(f"there is no model called `{need.model}` in the manifest")
    return Rule(
        name=rule.name,
        kind=rule.kind,
        scanner=scanner,
        action=Action(rule.action),
        threshold=DEFAULT_THRESHOLD if rule.threshold is None else rule.threshold,
        thresholds=_thresholds(rule, scanner, models),
        on_error=Action(rule.on_error),
        optional=rule.optional,
        stops=rule.stops,
        operator=rule.operator,
        operators=rule.operators,
        fold_variants=rule.fold_variants,
    )


def _build_scanner(rule: RuleConfig, models: Mapping[str, ModelInfo], built: _Built) -> Scanner:
    key = (rule.kind, msgspec.json.encode(rule.options, order="deterministic"))
    if key not in built:
        kind = registry.find(rule.kind)
        built[key] = kind.build(options(rule, kind.Config), models)
    return built[key]


def _check_labels(rule: RuleConfig, scanner: Scanner) -> None:
    """Refuse what would never apply: the findings it is meant for would get the rule's own threshold or operator."""
    if not isinstance(scanner, Labelled):
        return
    for key, labels in (("thresholds", rule.thresholds), ("operators", rule.operators)):
        for label in labels:
            if label not in scanner.labels:
                raise ConfigError(f"`$.{key}`: no `{label}`; there are: {', '.join(sorted(scanner.labels))}")


def _thresholds(rule: RuleConfig, scanner: Scanner, models: Mapping[str, ModelInfo]) -> Mapping[str, float]:
    """Those of the rule; where it says nothing at all, those that the models it needs were calibrated to."""
    if rule.threshold is not None:
        return rule.thresholds
    calibrated = {label: at for need in scanner.needs for label, at in models[need.model].thresholds.items()}
    return calibrated | rule.thresholds


def _evidence(policy: PolicyConfig) -> Evidence | None:
    kept = policy.evidence
    return None if kept is None else Evidence(read_public_key(kept.public_key), kept.of)


def _digest(policy: PolicyConfig, models: Mapping[str, ModelInfo]) -> str:
    said: dict[str, object] = {"prompt": policy.prompt, "output": policy.output}
    if policy.evidence is not None:
        said["evidence"] = policy.evidence
    # All models, needed or not: a tokenizer can be used without its model.
    parts = (msgspec.to_builtins(said), sorted((name, info.entry_digest) for name, info in models.items()))
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:16]
