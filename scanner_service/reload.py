"""Policies and keys replaced while the service runs. What cannot be used is refused, and what was served stays."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from scanner_service import doubts
from scanner_service.accepted import Accepted
from scanner_service.assembly import Assembly, assemble, config_path
from scanner_service.config import Config
from scanner_service.errors import ConfigError
from scanner_service.http.auth import Keys
from scanner_service.http.resources import Served
from scanner_service.logs import log_failure
from scanner_service.metrics import Metrics

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0

# The parts of the file that a running service takes over; the others wait for a restart.
_TAKEN_OVER = frozenset({"policies", "default_policy", "keys", "allow_anonymous"})


def serve(assembly: Assembly, environment: Mapping[str, str], *, known: bool = False) -> Served:
    """
    What requests are answered with; *known* if that is what others serve already.

    Raises:
        ConfigError: if the keys cannot be used.
    """
    config = assembly.config
    return Served(assembly.policies, config.default_policy, Keys.load(config, environment, known=known))


def begin(environment: Mapping[str, str], accepted: Accepted | None = None) -> Assembly:
    """
    What a worker starts with: what the others serve, if anything was *accepted*, otherwise what the file says.

    A file that has changed since is taken over or refused afterwards, as the others do it, and cannot end the server.

    Raises:
        ConfigError: if the file cannot be used and nothing was accepted before.
    """
    content = None if accepted is None else accepted.content
    if content is not None:
        with contextlib.suppress(Exception):  # the keys that it names may be gone from their file
            assembly = assemble(environment, content=content)
            serve(assembly, environment)
            return assembly
    return assemble(environment)


class Reloading:
    """
    Watches the configuration file, and the file of keys if there is one, by their content.

    Args:
        assembly: as it was at start; models are those that it has loaded.
        environment: where the files are.
        metrics: what counts.
        accepted: where to keep what is served, for workers to come.

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
    ) -> None:
        # As they are before they are used: what has changed meanwhile is found at the next look.
        read: tuple[bytes | None, bytes | None] = (assembly.content, _keys(environment))
        self._read = self._seen = read
        # A key that was removed meanwhile must not end the server that has lost a worker.
        known = accepted is not None and accepted.content == assembly.content
        self.served = serve(assembly, environment, known=known)
        self._assembly = assembly
        self._environment = environment
        self._metrics = metrics
        self._accepted = accepted
        self._wanted = asyncio.Event()
        self._accept(assembly)

    def want(self) -> None:
        """Read the files now, changed or not. To be called on the event loop."""
        self._wanted.set()

    async def watch(self) -> None:
        """Read the files when they change, until cancelled."""
        while True:
            try:
                await self._wait_and_read()
            except Exception as error:  # noqa: BLE001 - no thread to read in, say: a key must still end, later
                log_failure(log, "could not look for changes", error)
                await asyncio.sleep(POLL_SECONDS)

    async def _wait_and_read(self) -> None:
        try:
            await asyncio.wait_for(self._wanted.wait(), POLL_SECONDS)
        except TimeoutError:
            await asyncio.to_thread(self.poll)
        else:
            self._wanted.clear()
            await asyncio.to_thread(self.reload)

    def poll(self) -> None:
        """Reload if the files differ from those last read and have stayed the same since the last look."""
        before, self._seen = self._seen, self._look()
        if self._read != self._seen == before:  # otherwise somebody may still be writing
            self.reload()

    def reload(self) -> None:
        """Read the files and serve what they say, or say why not."""
        self._read = self._look()
        try:
            assembly = self._assemble(self._read[0])
            self.served = serve(assembly, self._environment)
        except Exception as error:  # noqa: BLE001 - a kind of scanner from elsewhere may raise anything
            self._refuse(error)
        else:
            self._metrics.reloads.labels("reloaded").inc()
            self._accept(assembly)
            digests = {name: policy.digest for name, policy in assembly.policies.items()}
            waiting = _changed(self._assembly.config, assembly.config)
            said = {"policies": digests, "needs_restart": waiting, "to_no_effect": doubts.find(assembly.content)}
            log.info("policies reloaded", extra=said)

    def _accept(self, assembly: Assembly) -> None:
        self._metrics.policies_read.set(time.time())
        if self._accepted is not None:
            self._accepted.keep(assembly.content)

    def _revoke(self) -> None:
        """A key that is no longer listed ends, whatever else cannot be used; if the list itself can be."""
        with contextlib.suppress(ConfigError):
            self.served = replace(self.served, keys=self.served.keys.still_listed(self._environment))

    def _refuse(self, error: Exception) -> None:
        self._revoke()
        self._metrics.reloads.labels("refused").inc()
        file = str(config_path(self._environment))
        if isinstance(error, ConfigError):
            log.error("policies refused", extra={"file": file, "reason": str(error)})
        else:
            log_failure(log, "policies refused", error, file=file)

    def _assemble(self, content: bytes | None) -> Assembly:
        assembly = assemble(self._environment, self._assembly.manifest, content)
        for model in assembly.models:
            if model not in self._assembly.models:
                file = config_path(self._environment)
                raise ConfigError(
                    f"{file}: needs the model `{model}`, which is only loaded at start: restart the service"
                )
        return assembly

    def _look(self) -> tuple[bytes | None, bytes | None]:
        """What the configuration file and the file of keys hold."""
        return _content(config_path(self._environment)), _keys(self._environment)


def _keys(environment: Mapping[str, str]) -> bytes | None:
    file = environment.get("SCANNER_API_KEYS_FILE")
    return _content(Path(file)) if file else None


def _content(file: Path) -> bytes | None:
    """What *file* holds; None while it cannot be read."""
    try:
        return file.read_bytes()
    except OSError:
        return None


def _changed(before: Config, after: Config) -> list[str]:
    names = [field.name for field in msgspec.structs.fields(Config)]
    changed = [name for name in names if name not in _TAKEN_OVER and getattr(before, name) != getattr(after, name)]
    return changed + (["keys.requests_per_minute"] if _rates(before) != _rates(after) else [])


def _rates(config: Config) -> Mapping[str, int]:
    return {name: key.requests_per_minute for name, key in config.keys.items() if key.requests_per_minute is not None}
