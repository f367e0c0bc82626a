"""Kind `pii`: personal data, by presidio's recognizers and the entity head of a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec.structs import replace
from presidio_analyzer import EntityRecognizer

from scanner_service import linear_regex
from scanner_service.errors import ConfigError
from scanner_service.findings import Finding
from scanner_service.linear_regex import Pattern
from scanner_service.scanner import Context, ModelInfo, Need, Prediction
from scanner_service.scanners._presidio.analyzer import Analyzer
from scanner_service.scanners._presidio.entities import EntityHead, outside_values
from scanner_service.scanners._presidio.listed import Listed, any_of
from scanner_service.scanners._presidio.numbering import regions
from scanner_service.scanners._presidio.options import AdHocPattern, AllowList, DenyList
from scanner_service.scanners._presidio.recognizers import build as build_recognizer
from scanner_service.scanners._presidio.recognizers import catalogue, context_words, languages, tunings
from scanner_service.scanners._presidio.tokens import LANGUAGE, Entity
from scanner_service.text import Span, Text, View
from scanner_service.views import VIEWS

# What is looked for unless the configuration says otherwise: few false positives, and of use in most places.
DEFAULT_ENTITIES = (
    "CREDIT_CARD",
    "CRYPTO",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "PHONE_NUMBER",
    "UK_NHS",
    "UK_NINO",
    "US_BANK_NUMBER",
    "US_ITIN",
    "US_PASSPORT",
    "US_SSN",
)
# Places are not among them: without "France", a question about France is none.
DEFAULT_MODEL_ENTITIES = ("PERSON",)

# Full-width digits and characters without width hide an address from a pattern, but not from a reader.
_VIEWS = ("raw", "normalized")

# Sets of added entities that are kept ready for a rule.
WIDENED = 32


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Options of the kind.

    Attributes:
        entities: what to look for; without it `DEFAULT_ENTITIES`, with a model `DEFAULT_MODEL_ENTITIES` as well.
        model: a name in the manifest whose entity head finds names and places; without it there are patterns alone.
        regions: countries (ISO 3166) whose national telephone numbers count; international ones always do.
        languages: whose context words count beside English.
        context: whether context words raise scores.
        allow_list: values that are left alone.
        patterns: entities of your own.
        deny_lists: words of your own.
    """

    entities: Annotated[list[str], msgspec.Meta(min_length=1)] | None = None
    model: str | None = None
    regions: tuple[str, ...] = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR")
    languages: tuple[str, ...] = ("en",)
    context: bool = True
    allow_list: AllowList = AllowList()
    patterns: list[AdHocPattern] = []
    deny_lists: list[DenyList] = []


@dataclass(frozen=True, slots=True)
class Pii:
    """Reports personal data in a text as it is and as it reads, with the scores that presidio gives."""

    analyzer: Analyzer
    needs: Sequence[Need]
    labels: frozenset[str]
    allowed: frozenset[str]
    allowed_patterns: Sequence[Pattern]
    looking_for: Callable[[frozenset[str]], Pii]  # see `scanner.Widening`

    def scan(self, text: Text, context: Context) -> list[Finding]:
        """Everything found, whatever its score; what both views show counts once, with the higher score."""
        found: dict[tuple[int, int, str], Finding] = {}
        seen: set[str] = set()
        for name in _VIEWS:
            for view, predictions in self._read(name, text, context):
                if view.text not in seen:
                    seen.add(view.text)
                    for finding in self._find(view, predictions, name):
                        key = (finding.span.start, finding.span.end, finding.label)
                        if key not in found or found[key].score < finding.score:
                            found[key] = finding
        return [found[key] for key in sorted(found)]

    def _read(self, name: str, text: Text, context: Context) -> Iterable[tuple[View, Sequence[Prediction]]]:
        for need in self.needs:
            if need.view == name:
                return context.predictions[need]
        return [(view, ()) for view in text.views(VIEWS[name])]

    def _find(self, view: View, predictions: Sequence[Prediction], name: str) -> Iterable[Finding]:
        entities = [Entity(each.label, each.score, each.span.start, each.span.end) for each in predictions]
        for result in outside_values(self.analyzer.analyze(view.text, entities)):
            span = Span(result.start, result.end)
            if not self._allows(span.of(view.text)):
                yield Finding(result.entity_type, float(result.score), view.to_original(span), name)

    def _allows(self, value: str) -> bool:
        return value in self.allowed or any(pattern.is_in(value) for pattern in self.allowed_patterns)


def build(config: Config, models: Mapping[str, ModelInfo]) -> Pii:
    """
    Make the scanner.

    Raises:
        ConfigError: if a model, an entity, a region or a language does not exist, a pattern is not one of the
            linear-time engine or can find nothing, or an option has no effect.
    """
    if config.model is not None and config.model not in models:
        raise ConfigError(f"`$.options.model`: no `{config.model}` in the manifest; there are: {', '.join(models)}")
    labels = models[config.model].labels if config.model else frozenset()
    known = labels.union(catalogue())
    _check("languages", config.languages, languages())
    _check("regions", config.regions, regions())
    _check_context(config)
    entities = config.entities
    if entities is None:
        entities = [*DEFAULT_ENTITIES, *(label for label in DEFAULT_MODEL_ENTITIES if label in labels)]
    _check("entities", entities, sorted(known), "" if config.model else _of_models(entities, known, models))
    analyzer = Analyzer(
        [*_predefined(entities, labels, config), *_listed(config)],
        _requirements(entities, labels, config),
        context=config.context,
    )
    # What the libraries load at first use is loaded now: the public suffix list, numbering plans.
    analyzer.analyze("415-555-2671 a@example.com")

    @lru_cache(WIDENED)
    def looking_for(more: frozenset[str]) -> Pii:
        return build(replace(config, entities=[*entities, *sorted(more.difference(entities))]), models)

    return Pii(
        analyzer=analyzer,
        needs=tuple(Need(config.model, view) for view in _VIEWS) if config.model and labels & {*entities} else (),
        labels=known.union([own.label for own in config.patterns], [deny.label for deny in config.deny_lists]),
        allowed=frozenset(config.allow_list.exact),
        allowed_patterns=tuple(
            _compile(f"allow_list.regex[{index}]", linear_regex.compile_whole, pattern)
            for index, pattern in enumerate(config.allow_list.regex)
        ),
        looking_for=looking_for,
    )


def _check(option: str, names: Sequence[str], known: Sequence[str], more: str = "") -> None:
    for index, name in enumerate(names):
        if name not in known:
            raise ConfigError(f"`$.options.{option}[{index}]`: no `{name}`{more}; there are: {', '.join(known)}")


def _check_context(config: Config) -> None:
    """Without context words there is nothing to say about them."""
    if config.context:
        return
    if any(language != LANGUAGE for language in config.languages):
        raise ConfigError("`$.options.languages`: only context words differ by language, and `context` is false")
    for index, own in enumerate(config.patterns):
        if own.context:
            raise ConfigError(
                f"`$.options.patterns[{index}].context`: no context words count, since `context` is false"
            )


def _of_models(entities: Sequence[str], known: Collection[str], models: Mapping[str, ModelInfo]) -> str:
    """What would have the first entity that is not *known*: a model, or nothing."""
    unknown = next((entity for entity in entities if entity not in known), None)
    found = [name for name, model in models.items() if unknown in model.labels]
    return f" without `model: {found[0]}`" if found else ""


def _predefined(entities: Sequence[str], labels: frozenset[str], config: Config) -> Iterable[EntityRecognizer]:
    for entity in entities:
        if entity in labels:
            yield EntityHead(entity, context_words(entity, config.languages))
        if entity in catalogue():
            yield build_recognizer(entity, config.regions, config.languages)


def _listed(config: Config) -> Iterable[EntityRecognizer]:
    for index, own in enumerate(config.patterns):
        option = f"patterns[{index}].regex"
        pattern = _compile(option, linear_regex.compile_search, own.regex, case_sensitive=own.case_sensitive)
        yield Listed(own.label, pattern, own.score, own.context)
    for index, deny in enumerate(config.deny_lists):
        try:
            yield Listed(deny.label, any_of(deny.words), deny.score, whole_words=True)
        except ConfigError as error:
            raise ConfigError(f"`$.options.deny_lists[{index}].words`: {error}") from None


def _requirements(entities: Sequence[str], labels: frozenset[str], config: Config) -> Mapping[str, str]:
    """What a text must hold to be searched for an entity, unless something else than a pattern of ours finds it."""
    free = {*labels, *(own.label for own in config.patterns), *(deny.label for deny in config.deny_lists)}
    wanted = {entity: tunings()[entity].requires for entity in entities if entity in tunings()}
    return {entity: requires for entity, requires in wanted.items() if requires and entity not in free}


def _compile(option: str, compile_: Callable[..., Pattern], pattern: str, **settings: bool) -> Pattern:
    try:
        return compile_(pattern, **settings)
    except ConfigError as error:
        raise ConfigError(f"`$.options.{option}`: {error}") from None
