"""The scanners of LLM Guard, and the rule that answers the same need here."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from scanner_service import config, linear_regex
from scanner_service.errors import ConfigError
from scanner_service.llm_guard.notes import Note, brief, named
from scanner_service.llm_guard.parameters import (
    Anonymize,
    BanCompetitors,
    BanSubstrings,
    Json,
    NoParameters,
    PersonalData,
    ReadingTime,
    Regex,
    RegexPattern,
    Secrets,
    Sensitive,
    TokenLimit,
)


@dataclass(frozen=True, slots=True)
class Carried:
    """What a scanner becomes: a rule, but for its name, or none, and what there is to say about it."""

    rule: Mapping[str, Any] | None
    notes: Sequence[Note] = ()


@dataclass(frozen=True, slots=True)
class Scanner:
    """
    A scanner of LLM Guard.

    Attributes:
        parameters: the type of those that are carried over.
        carry: makes the rule; it is told the entities that there are here.
        others: parameters that are not carried over, and why.
    """

    parameters: type[msgspec.Struct]
    carry: Callable[[Any, Collection[str]], Carried]
    others: Mapping[str, str] = field(default_factory=dict)


_VALID = Note(
    "there a redacted text is invalid all the same; here it is valid, and the sanitized text is the one to use"
)


_MODEL = "about another model; ours is calibrated, and reads the whole text"


_TOKENIZER = "not carried over; tokens are those of the shipped model"


_ABOUT_MODELS = dict.fromkeys(
    (
        "threshold",
        "match_type",
        "model",
        "use_onnx",
        "model_path",
        "model_batch_size",
        "model_max_length",
        "model_onnx_file_name",
    ),
    _MODEL,
)


_ENTITIES = [
    "CREDIT_CARD",
    "CRYPTO",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "PERSON",
    "PHONE_NUMBER",
    "US_SSN",
    "US_BANK_NUMBER",
    "UUID",
]  # what it looks for unless told; those that it has twice, as `CREDIT_CARD_RE`, once


_WORDS_PER_MINUTE = 200


_CUT = {"action": "redact", "operator": "redact"}


def _anonymize(parameters: Anonymize, known: Collection[str]) -> Carried:
    rule, notes = _pii(parameters, known)
    fake = {"operator": "fake"} if parameters.use_faker else {}
    needs = [Note("`use_faker` is `operator: fake`, which needs the extra `fake`")] if fake else []
    return Carried({"kind": "pii", "action": "redact", **fake, "options": rule}, [_VALID, *needs, *notes])


def _sensitive(parameters: Sensitive, known: Collection[str]) -> Carried:
    rule, notes = _pii(parameters, known)
    action = "redact" if parameters.redact else "block"
    return Carried({"kind": "pii", "action": action, "options": rule}, [*([_VALID] * parameters.redact), *notes])


def _pii(parameters: PersonalData, known: Collection[str]) -> tuple[dict[str, Any], list[Note]]:
    own, notes = _own_entities(parameters.regex_patterns or [])
    labels = {each["label"] for each in own}
    asked = dict.fromkeys(each.removesuffix("_RE") for each in parameters.entity_types or _ENTITIES)
    missing = [each for each in asked if each not in known and each not in labels]
    notes += [Note(f"`entity_types`: there is no {named(each)} here to look for", lost=True) for each in missing]
    options: dict[str, Any] = {"model": "guard", "entities": [each for each in asked if each in known]}
    if parameters.allowed_names:
        options["allow_list"] = {"exact": parameters.allowed_names}
    if parameters.hidden_names:
        options["deny_lists"] = [{"label": "CUSTOM", "words": parameters.hidden_names}]
    if own:
        options["patterns"] = own
    return options, notes


def _own_entities(patterns: Sequence[RegexPattern]) -> tuple[list[dict[str, Any]], list[Note]]:
    own: list[dict[str, Any]] = []
    notes: list[Note] = []
    if any(pattern.examples or pattern.languages for pattern in patterns):
        notes.append(Note("`regex_patterns`: `examples` and `languages` are not carried over; a pattern counts always"))
    for at, pattern in enumerate(patterns):
        label = re.sub(r"[^A-Z0-9_]", "_", pattern.name.upper().removesuffix("_RE")).strip("_") or "CUSTOM"
        usable, refused = _usable(pattern.expressions, f"regex_patterns[{at}].expressions")
        notes += refused
        for expression in usable:
            entity = {"label": label, "regex": expression, "score": pattern.score, "case_sensitive": True}
            own.append(entity | ({"context": pattern.context} if pattern.context else {}))
    return own, notes


def _usable(patterns: Sequence[str], where: str) -> tuple[list[str], list[Note]]:
    """Those of *patterns* that our engine takes, and what is wrong with the others."""
    usable: list[str] = []
    notes: list[Note] = []
    for at, pattern in enumerate(patterns):
        try:
            linear_regex.compile_search(pattern)
        except ConfigError as error:
            notes.append(Note(f"`{where}[{at}]` is left out: {brief(error)}", lost=True))
        else:
            usable.append(pattern)
    return usable, notes


def _ban_substrings(parameters: BanSubstrings, known: Collection[str]) -> Carried:
    if not parameters.substrings:
        return Carried(None, [Note("left out, for there are no `substrings`")])
    entry: dict[str, Any] = {"label": "BANNED", "substrings": parameters.substrings}
    if parameters.match_type == "word":
        entry["match"] = "word"
    entry |= {name: True for name in ("case_sensitive", "contains_all") if getattr(parameters, name)}
    return _patterns(entry, redact=parameters.redact)


def _ban_competitors(parameters: BanCompetitors, known: Collection[str]) -> Carried:
    if not parameters.competitors:
        return Carried(None, [Note("left out, for there are no `competitors`")])
    entry = {"label": "COMPETITOR", "substrings": parameters.competitors, "match": "word"}
    return _patterns(entry, redact=parameters.redact)


def _regex(parameters: Regex, known: Collection[str]) -> Carried:
    whole = "^(?:{})$" if parameters.match_type == "fullmatch" else "{}"
    usable, notes = _usable(parameters.patterns, "patterns")
    if not usable:
        nothing = "left out, for there are no `patterns`" + (" that can be used" if parameters.patterns else "")
        return Carried(None, [Note(nothing, lost=bool(parameters.patterns)), *notes])
    if any(re.search(r"\\[wWdDsSbB]|\$", pattern) for pattern in usable):
        notes.append(Note(r"`\w`, `\d`, `\s` and `\b` know ASCII alone here, and `$` allows no line break behind it"))
    entry = {"label": "REGEX", "patterns": [whole.format(each) for each in usable], "case_sensitive": True}
    if parameters.is_blocked:
        carried = _patterns(entry, redact=parameters.redact)
        return Carried(carried.rule, [*carried.notes, *notes])
    options = {"mode": "allow", "entries": [entry]}
    if parameters.redact:
        notes.append(Note("`redact` has no effect on a text in which no pattern occurs: that one is blocked"))
    return Carried({"kind": "patterns", "action": "block", "options": options}, notes)


def _patterns(entry: Mapping[str, Any], *, redact: bool) -> Carried:
    rule = {"kind": "patterns", "action": "redact" if redact else "block", "options": {"entries": [entry]}}
    return Carried(rule, [_VALID] if redact else [])


def _secrets(parameters: Secrets, known: Collection[str]) -> Carried:
    operator = "hash" if parameters.redact_mode == "hash" else "mask"
    shown = Note("`redact_mode: partial` shows both ends of a secret; here nothing of it is left")
    partial = [shown] if parameters.redact_mode == "partial" else []
    return Carried({"kind": "secrets", "action": "redact", "operator": operator}, [_VALID, *partial])


def _token_limit(parameters: TokenLimit, known: Collection[str]) -> Carried:
    notes = [
        Note(
            "tokens are those of the shipped model; there a text is cut as well as invalid, here `action: redact` with "
            "`operator: redact` would cut it instead"
        )
    ]
    options = {"model": "guard", "max_tokens": parameters.limit}
    return Carried({"kind": "length", "action": "block", "options": options}, notes)


def _reading_time(parameters: ReadingTime, known: Collection[str]) -> Carried:
    tokens = max(1, round(parameters.max_time * _WORDS_PER_MINUTE * 4 / 3))
    notes = [Note(f"a limit of tokens: {_WORDS_PER_MINUTE} words a minute, and four tokens for three words")]
    rule = {"kind": "length", **(_CUT if parameters.truncate else {"action": "block"})}
    return Carried({**rule, "options": {"model": "guard", "max_tokens": tokens}}, notes)


def _json(parameters: Json, known: Collection[str]) -> Carried:
    if parameters.required_elements == 0:
        nothing = (
            "left out: with `required_elements: 0` text without JSON is valid, and a rule of kind `structure` would "
            "block it; write one if every output has to be JSON"
        )
        return Carried(None, [Note(nothing, lost=True)])
    notes = [Note("there JSON is looked for inside the text; here the whole output has to be one object of JSON")]
    if parameters.required_elements > 1:
        notes.append(Note("`required_elements`: objects are not counted here; `json_schema` can say what has to be"))
    options = {"types": ["object"], "fenced": True}
    return Carried({"kind": "structure", "action": "block", "options": options}, notes)


def _invisible_text(parameters: NoParameters, known: Collection[str]) -> Carried:
    return Carried({"kind": "invisible_text", **_CUT}, [_VALID])


def _shipped(name: str) -> Callable[[NoParameters, Collection[str]], Carried]:
    """The rule of that name in the policy that ships."""

    def carry(parameters: NoParameters, known: Collection[str]) -> Carried:
        loaded = config.load(config.DEFAULT_CONFIG)
        rule = next(each for each in loaded.policies[loaded.default_policy].prompt if each.name == name)
        return Carried({"kind": rule.kind, "action": rule.action, "options": rule.options})

    return carry


def _nothing(text: str, *, lost: bool = True) -> Callable[[NoParameters, Collection[str]], Carried]:
    return lambda parameters, known: Carried(None, [Note(text, lost)])


def _left_out(names: str, why: str, *, lost: bool = True) -> Iterator[tuple[str, Scanner]]:
    for name in names.split():
        yield name, Scanner(NoParameters, _nothing(why, lost=lost))


_PII_OTHERS = {
    **_ABOUT_MODELS,
    "recognizer_conf": _MODEL,
    "language": "not carried over; `languages` of the options has the languages of context words",
    "preamble": "for the application to write",
}


SCANNERS: Mapping[str, Scanner] = {
    "Anonymize": Scanner(Anonymize, _anonymize, _PII_OTHERS),
    "Sensitive": Scanner(Sensitive, _sensitive, _PII_OTHERS),
    "BanSubstrings": Scanner(BanSubstrings, _ban_substrings),
    "BanCompetitors": Scanner(
        BanCompetitors, _ban_competitors, {**_ABOUT_MODELS, "chunk_size": _MODEL, "chunk_overlap_size": _MODEL}
    ),
    "Regex": Scanner(Regex, _regex),
    "InvisibleText": Scanner(NoParameters, _invisible_text),
    "PromptInjection": Scanner(NoParameters, _shipped("prompt_injection"), _ABOUT_MODELS),
    "Toxicity": Scanner(NoParameters, _shipped("toxicity"), _ABOUT_MODELS),
    "Secrets": Scanner(Secrets, _secrets),
    "TokenLimit": Scanner(TokenLimit, _token_limit, dict.fromkeys(("encoding_name", "model_name"), _TOKENIZER)),
    "ReadingTime": Scanner(ReadingTime, _reading_time),
    "JSON": Scanner(Json, _json, {"repair": "nothing is repaired here: an output that is not JSON is not valid"}),
    **dict(
        _left_out(
            "BanCode BanTopics Bias Code EmotionDetection Gibberish Language MaliciousURLs NoRefusal NoRefusalLight "
            "Sentiment",
            "left out: no model for it is shipped; docs/extending.md says how to add one",
        )
    ),
    **dict(
        _left_out(
            "FactualConsistency LanguageSame Relevance",
            "left out: nothing here compares an output with its prompt; a kind of your own can, see docs/extending.md",
        )
    ),
    **dict(_left_out("URLReachability", "left out: the service calls no address that an LLM wrote")),
    **dict(
        _left_out(
            "Deanonymize",
            "needs no rule: send the `vault` token of the prompt's answer with the output; for spellings that differ "
            "the rule that redacts has `fold_variants`",
            lost=False,
        )
    ),
}


UNKNOWN = Scanner(NoParameters, _nothing("left out: no scanner of LLM Guard that is known here"))
