"""From a `scanners.yml` to a configuration of ours, with what is not the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from scanner_service import config, registry
from scanner_service.config import RuleConfig
from scanner_service.conversion import Steps, convert, spell
from scanner_service.errors import ConfigError
from scanner_service.llm_guard.file import File, ScannerEntry, decode, load, unknown
from scanner_service.llm_guard.migrated import Migrated, Part
from scanner_service.llm_guard.notes import Note, Said, brief, named
from scanner_service.llm_guard.scanners import SCANNERS, UNKNOWN
from scanner_service.llm_guard.settings import make_settings, of_sections
from scanner_service.scanner import Labelled, ModelInfo

_CHAINS = {"input_scanners": "prompt", "output_scanners": "output"}


def migrate(path: Path, content: bytes, environment: Mapping[str, str], models: Mapping[str, ModelInfo]) -> Migrated:
    """
    What the file at *path* becomes.

    Args:
        path: for messages.
        content: of the file.
        environment: the values of its `${VARIABLES}`.
        models: those that rules may name.

    Raises:
        ConfigError: if it is no scanners.yml; the message names the file and the place in it.
    """
    try:
        written, variables = load(content, environment)
        file = decode(written)
        settings = make_settings(file, [*variables, *unknown("$", written, File), *of_sections(written)])
        known = _entities(models)
        chains = {
            direction: _chain(key, getattr(file, key) or [], written, known, models)
            for key, direction in _CHAINS.items()
        }
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return Migrated(settings, chains)


def _chain(
    key: str, scanners: Sequence[ScannerEntry], written: Any, known: Collection[str], models: Mapping[str, ModelInfo]
) -> list[Part]:
    taken: Counter[str] = Counter()
    built: set[bytes] = set()
    parts: list[Part] = []
    for at, scanner in enumerate(scanners):
        rule, notes = _carry(scanner, (key, at, "params"), known)
        if rule:
            rule = {"name": _rule_name(scanner.type, taken[scanner.type] + 1), **rule}
            try:
                _build(rule, models, built)
            except ConfigError as error:
                rule, notes = {}, [*notes, Note(f"left out, for it cannot be carried over: {brief(error)}", lost=True)]
        taken[scanner.type] += bool(rule)
        place = spell((key, at))
        said = [Said(f"`{place}`, {named(scanner.type)}", note) for note in notes]
        parts.append(Part(rule, [*said, *unknown(place, written[key][at], ScannerEntry)]))
    if not any(part.content for part in parts):
        watching = {"name": "invisible_text", "kind": "invisible_text", "action": "monitor"}
        why = "nothing is left that blocks or redacts; a chain needs a rule, and this one only watches"
        parts.append(Part(watching, [Said(f"`$.{key}`", Note(why))]))
    return parts


def _rule_name(scanner: str, nth: int) -> str:
    """That of its class, under which its callers know it; of a second one with its number."""
    return scanner if nth == 1 else f"{scanner}_{nth}"


def _carry(scanner: ScannerEntry, steps: Steps, known: Collection[str]) -> tuple[Mapping[str, Any], list[Note]]:
    """The rule that *scanner* becomes, without its name, or nothing; and what there is to say about it."""
    given = {} if scanner.params is None else scanner.params
    entry = SCANNERS.get(scanner.type, UNKNOWN)
    carried = entry.carry(convert(given, entry.parameters, lambda inner: spell([*steps, *inner])), known)
    taken = {field.name for field in msgspec.structs.fields(entry.parameters)}
    others: dict[str, list[str]] = {}
    for name in given:
        if name not in taken:
            others.setdefault(entry.others.get(name, "not known, and not carried over"), []).append(named(name))
    if carried.rule is None:
        first, *more = carried.notes
        names = ", ".join(named(name) for name in given)
        return {}, [Note(first.text + f" (its parameters: {names})" * bool(given), first.lost), *more]
    return carried.rule, [*carried.notes, *(Note(f"{', '.join(names)}: {text}") for text, names in others.items())]


def _build(rule: Mapping[str, Any], models: Mapping[str, ModelInfo], built: set[bytes]) -> None:
    """
    See whether the service could use *rule*, unless one like it is among those that were *built*.

    Raises:
        ConfigError: if not.
    """
    decoded = convert(rule, RuleConfig)
    key = msgspec.json.encode((decoded.kind, decoded.options))
    if key not in built:
        kind = registry.find(decoded.kind)
        kind.build(config.options(decoded, kind.Config), models)
        built.add(key)


def _entities(models: Mapping[str, ModelInfo]) -> Collection[str]:
    """What the kind `pii` can look for with the shipped model."""
    kind = registry.find("pii")
    pii = kind.build(kind.Config(model="guard"), models)
    return pii.labels if isinstance(pii, Labelled) else ()
