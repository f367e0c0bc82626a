"""Policies and keys replaced while the service runs. What cannot be used is refused, and what was served stays."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from scanner_service.accepted import Accepted
from scanner_service.assembly import Assembly, assemble
from scanner_service.config import DEFAULT_CONFIG, Config
from scanner_service.errors import ConfigError
from scanner_service.http.auth import Keys
from scanner_service.http.resources import Served
from scanner_service.logs import log_failure
from scanner_service.metrics import Metrics

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0

# The parts of the file that a running service takes over; the others wait for a restart.
_TAKEN_OVER = frozenset({"policies", "default_policy", "keys", "allow_anonymous"})


def serve(assembly: Assembly, environment: Mapping[str, str]) -> Served:
    """
    What requests are answered with.

    Raises:
        ConfigError: if the keys cannot be used.
    """
    config = assembly.config
    return Served(assembly.policies, config.default_policy, Keys.load(config, environment))


def begin(environment: Mapping[str, str], accepted: Accepted | None) -> tuple[Assembly, ConfigError | None]:
    """
    What the configuration file says; or what was last *accepted*, and what is wrong with the file.

    Raises:
        ConfigError: if the file cannot be used and nothing was accepted before.
    """
    try:
        return assemble(environment), None
    except ConfigError as error:
        if accepted is None or accepted.path is None:
            raise
        return assemble({**environment, "SCANNER_CONFIG": str(accepted.path)}), error


class Reloading:
    """
    Watches the configuration file, and the file of keys if there is one, by their content.

    Args:
        assembly: as it was at start; models are those that it has loaded.
        environment: where the files are.
        metrics: what counts.
        accepted: where to keep what is served, for workers to come.
        refused: what is wrong with the file, if *assembly* is not what it says.

    Attributes:
        served: replaced as a whole; a request uses one from its beginning to its end.

    Raises:
        ConfigError: if the keys cannot be used.
    """

    def __init__(
        self,
        assembly: Assembly,
        environment: Mapping[str, str],
        metrics: Metrics,
        accepted: Accepted | None = None,
        refused: ConfigError | None = None,
    ) -> None:
        self.served = serve(assembly, environment)
        self._assembly = assembly
        self._environment = environment
        self._metrics = metrics
        self._accepted = accepted
        self._wanted = asyncio.Event()
        self._read = self._seen = self._digest()
        if refused is None:
            self._accept()
        else:
            self._refuse(refused)

    def want(self) -> None:
        """Read the files now, changed or not. To be called on the event loop."""
        self._wanted.set()

    async def watch(self) -> None:
        """Read the files when they change, until cancelled."""
        while True:
            try:
                await asyncio.wait_for(self._wanted.wait(), POLL_SECONDS)
            except TimeoutError:
                await asyncio.to_thread(self.poll)
            else:
                self._wanted.clear()
                await asyncio.to_thread(self.reload)

    def poll(self) -> None:
        """Reload if the files differ from those last read and have stayed the same since the last look."""
        before, self._seen = self._seen, self._digest()
        if self._read != self._seen == before:  # otherwise somebody may still be writing
            self.reload()

    def reload(self) -> None:
        """Read the files and serve what they say, or say why not."""
        self._read = self._digest()
        try:
            assembly = self._assemble()
            self.served = serve(assembly, self._environment)
        except ConfigError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001 - a kind of scanner from elsewhere may raise anything
            self._metrics.reloads.labels("refused").inc()
            log_failure(log, "policies refused", error)
        else:
            self._metrics.reloads.labels("reloaded").inc()
            self._accept()
            digests = {name: policy.digest for name, policy in assembly.policies.items()}
            waiting = _changed(self._assembly.config, assembly.config)
            log.info("policies reloaded", extra={"policies": digests, "needs_restart": waiting})

    def _accept(self) -> None:
        self._metrics.policies_read.set(time.time())
        if self._accepted is not None:
            with contextlib.suppress(OSError):  # it may be gone again
                self._accepted.keep(self._config.read_bytes())

    def _refuse(self, error: ConfigError) -> None:
        self._metrics.reloads.labels("refused").inc()
        log.error("policies refused", extra={"reason": str(error)})

    def _assemble(self) -> Assembly:
        assembly = assemble(self._environment, self._assembly.manifest)
        for model in assembly.models:
            if model not in self._assembly.models:
                raise ConfigError(
                    f"{self._config}: needs the model `{model}`, which is only loaded at start: restart the service"
                )
        return assembly

    @property
    def _config(self) -> Path:
        return Path(self._environment.get("SCANNER_CONFIG") or DEFAULT_CONFIG)

    def _digest(self) -> bytes:
        """Of all files together; empty while one of them cannot be read."""
        digest = hashlib.sha256()
        keys = self._environment.get("SCANNER_API_KEYS_FILE")
        try:
            for file in [self._config, *([Path(keys)] if keys else [])]:
                digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError:
            return b""
        return digest.digest()


def _changed(before: Config, after: Config) -> list[str]:
    names = [field.name for field in msgspec.structs.fields(Config)]
    changed = [name for name in names if name not in _TAKEN_OVER and getattr(before, name) != getattr(after, name)]
    return changed + (["keys.requests_per_minute"] if _rates(before) != _rates(after) else [])


def _rates(config: Config) -> Mapping[str, int]:
    return {name: key.requests_per_minute for name, key in config.keys.items() if key.requests_per_minute is not None}
