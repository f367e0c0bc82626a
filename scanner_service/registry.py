"""Scanner kinds by name: ours are the modules of `scanner_service.scanners`, others come from entry points."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, cast

from scanner_service import scanners
from scanner_service.errors import ConfigError
from scanner_service.scanner import ModelInfo, Scanner

ENTRY_POINT_GROUP = "scanner_service.scanners"


class Kind(Protocol):
    """
    A module that defines a kind of scanner.

    Attributes:
        Config: a strict `msgspec.Struct`, the type of the kind's options.
    """

    Config: type[Any]

    def build(self, config: Any, models: Mapping[str, ModelInfo]) -> Scanner:
        """
        Make a scanner.

        Raises:
            ConfigError: if the options do not make sense together, or name a model or label that does not exist.
        """
        ...


def kinds() -> list[str]:
    """The names of all kinds that a configuration may use, in order."""
    return sorted(_ours() | {point.name for point in entry_points(group=ENTRY_POINT_GROUP)})


def find(kind: str) -> Kind:
    """
    The module of *kind*, imported only now. Third parties cannot shadow ours.

    Raises:
        ConfigError: if there is none, and the message lists those there are; or if its package cannot be used.
    """
    # Looked up in the list of modules: a configured string never reaches the import system unchecked.
    if kind in _ours():
        return cast("Kind", importlib.import_module(f"{scanners.__name__}.{kind}"))
    for point in entry_points(group=ENTRY_POINT_GROUP, name=kind):
        return _load(point)
    raise ConfigError(f"there is no kind of scanner called `{kind}`; there are: {', '.join(kinds())}")


def _load(point: EntryPoint) -> Kind:
    try:
        module = point.load()
    except Exception as error:  # a module may raise anything
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(f"the kind `{point.name}`: `{point.value}` cannot be imported: {why}") from error
    missing = [name for name in ("Config", "build") if not hasattr(module, name)]
    if missing:
        raise ConfigError(f"the kind `{point.name}`: `{point.value}` has no `{'` and no `'.join(missing)}`")
    return cast("Kind", module)


def _ours() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(scanners.__path__) if not module.name.startswith("_")}
