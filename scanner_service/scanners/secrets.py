"""Kind `secrets`: credentials by their form, their checksum or their place, wherever they stand in the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from scanner_service import linear_regex
from scanner_service.errors import ConfigError
from scanner_service.findings import Finding
from scanner_service.linear_regex import Pattern, PatternSet
from scanner_service.scanner import Context, ModelInfo, Need
from scanner_service.scanners._credentials import Credential, Form, compiled
from scanner_service.text import Span, Text
from scanner_service.views import VIEWS


class OwnForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A credential of one's own.

    Attributes:
        label: what a finding is called.
        pattern: RE2; its first group, or all of it if it has none, is the secret.
        check: what else must hold: `shape`, `random`, `password` ..., as in `data/secrets.toml`.
    """

    label: Annotated[str, msgspec.Meta(pattern="^[A-Z][A-Z0-9_]*$")]
    pattern: Annotated[str, msgspec.Meta(min_length=1)]
    check: str = "shape"


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Options of the kind.

    Attributes:
        labels: look for these alone, and for credentials of one's own; for all if there are none.
        ignore: do not look for these.
        allow: values that are no secrets, letter for letter.
        allow_patterns: RE2; a value that one of them matches, completely, is no secret.
        patterns: credentials of one's own.
        views: the derivations of the text to look in.
    """

    labels: list[str] = []
    ignore: list[str] = []
    allow: list[str] = []
    allow_patterns: list[str] = []
    patterns: list[OwnForm] = []
    views: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("raw", "normalized", "decoded")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Reports every occurrence of every credential; of what covers the same characters, the surest."""

    credentials: Sequence[Credential]
    allowed: frozenset[str]
    allowed_patterns: Sequence[Pattern]
    views: Sequence[str]
    _set: PatternSet
    needs: Sequence[Need] = ()

    @property
    def labels(self) -> frozenset[str]:
        """Those of the credentials that it looks for."""
        return frozenset(credential.label for credential in self.credentials)

    def scan(self, text: Text, context: Context) -> Iterator[Finding]:
        """The findings cover the secrets themselves, without the names before them."""
        seen: set[tuple[str, int]] = set()
        found: list[Finding] = []
        for name in self.views:
            for view in text.views(VIEWS[name]):
                if view.stretch not in seen:
                    seen.add(view.stretch)
                    found.extend(
                        Finding(label, score, view.to_original(span), name)
                        for label, score, span in self._find(view.text)
                    )
        yield from _surest(found)

    def _find(self, text: str) -> Iterator[tuple[str, float, Span]]:
        for index in self._set.candidates(text):
            credential = self.credentials[index]
            for score, span in credential.find(text):
                if not self._is_allowed(span.of(text)):
                    yield credential.label, score, span

    def _is_allowed(self, value: str) -> bool:
        return value in self.allowed or any(pattern.is_in(value) for pattern in self.allowed_patterns)


def build(config: Config, models: Mapping[str, ModelInfo]) -> Secrets:
    """
    Make the scanner.

    Raises:
        ConfigError: if a label or view does not exist, a pattern does not compile or can find nothing, or nothing is
            left to look for.
    """
    known = {credential.label for credential in compiled()} | {own.label for own in config.patterns}
    for option, labels in (("labels", config.labels), ("ignore", config.ignore)):
        for label in labels:
            if label not in known:
                raise ConfigError(f"`$.options.{option}`: no `{label}`; docs/scanners.md lists the labels")
    for view in config.views:
        if view not in VIEWS:
            raise ConfigError(f"`$.options.views`: no `{view}`; there are: {', '.join(VIEWS)}")
    own = [_own(form, f"`$.options.patterns[{index}]`") for index, form in enumerate(config.patterns)]
    chosen = {*config.labels, *(form.label for form in config.patterns)} if config.labels else known
    for index, label in enumerate(config.ignore):
        if label not in chosen:
            raise ConfigError(f"`$.options.ignore[{index}]`: `labels` leave `{label}` out already")
    wanted = chosen - set(config.ignore)
    credentials = tuple(credential for credential in (*own, *compiled()) if credential.label in wanted)
    if not credentials:
        raise ConfigError("`$.options`: nothing is left to look for")
    return Secrets(
        credentials,
        frozenset(config.allow),
        [_compile(pattern, f"`$.options.allow_patterns[{i}]`") for i, pattern in enumerate(config.allow_patterns)],
        config.views,
        PatternSet([credential.pattern for credential in credentials]),
    )


def _own(form: OwnForm, where: str) -> Credential:
    try:
        linear_regex.compile_search(form.pattern)
        return Credential.of(Form(label=form.label, pattern=form.pattern, check=form.check))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _compile(pattern: str, where: str) -> Pattern:
    try:
        return linear_regex.compile_whole(pattern)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _surest(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Leave out what lies inside a finding that is at least as sure."""
    around: list[Finding] = []
    for finding in sorted(findings, key=lambda finding: (finding.span.start, -finding.span.end, -finding.score)):
        around = [other for other in around if other.span.end > finding.span.start]
        if not any(other.span.end >= finding.span.end and other.score >= finding.score for other in around):
            around.append(finding)
            yield finding
