"""What the environment asks for, put together: configuration, models and policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scanner_service import config
from scanner_service.chain import RuleError, build_policies
from scanner_service.config import DEFAULT_CONFIG, Config
from scanner_service.errors import ConfigError
from scanner_service.inference import manifest
from scanner_service.inference.manifest import Manifest
from scanner_service.inference.pool import ModelPool
from scanner_service.policy import Policy

# Beside the package in a checkout; elsewhere SCANNER_MODELS says where.
DEFAULT_MODELS = Path(__file__).parent.parent / "models" / "manifest.toml"


@dataclass(frozen=True, slots=True)
class Assembly:
    """
    Everything that is known before a model is loaded.

    Attributes:
        content: of the configuration file.
        config: what it says.
        manifest: of the models.
        policies: by name.
    """

    content: bytes
    config: Config
    manifest: Manifest
    policies: Mapping[str, Policy]

    @property
    def models(self) -> list[str]:
        """The models that some rule needs."""
        rules = [rule for policy in self.policies.values() for rule in (*policy.prompt, *policy.output)]
        return sorted({need.model for rule in rules for need in rule.scanner.needs})

    def verify_models(self) -> None:
        """
        Read every model that is needed and compare digests, without loading it.

        Raises:
            ModelError: naming the file.
        """
        for name in self.models:
            self.manifest.read_model(name)
            self.manifest.read_tokenizer(name)

    def make_pool(self, count: Callable[[str, str, int], object] = lambda *_: None) -> ModelPool:
        """The models, not started yet; *count* is told what they are given, see `ModelPool`."""
        limit = self.config.limits.max_queued_windows
        return ModelPool(self.manifest, self.models, max_queued_windows=limit, count=count)


def config_path(environment: Mapping[str, str]) -> Path:
    """What `SCANNER_CONFIG` names, or what ships."""
    return Path(environment.get("SCANNER_CONFIG") or DEFAULT_CONFIG)


def assemble(environment: Mapping[str, str], models: Manifest | None = None, content: bytes | None = None) -> Assembly:
    """
    Read what `SCANNER_CONFIG` and `SCANNER_MODELS` name, or what ships.

    Args:
        environment: where the files are.
        models: the manifest, if it is known.
        content: of the configuration file, if it was read before.

    Raises:
        ConfigError: naming the file and the path inside it.
    """
    path = config_path(environment)
    content = config.read(path) if content is None else content
    loaded = config.load(path, content)
    models = models or manifest.load(Path(environment.get("SCANNER_MODELS") or DEFAULT_MODELS))
    try:
        policies = build_policies(loaded, models.info())
    except RuleError as error:
        raise ConfigError(f"{path}: {_with_path(str(error), config.path_in(content, error.steps))}") from None
    return Assembly(content, loaded, models, policies)


def _with_path(message: str, path: str) -> str:
    """What is said of a rule, with the *path* from the top of the file where there is one from the rule."""
    return message.replace("`$.", f"`{path}.", 1) if "`$." in message else f"{message} - at `{path}`"
