from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from scanner_service.config import Config
from scanner_service.engine import Engine
from scanner_service.findings import Action
from scanner_service.http.app import create_app
from scanner_service.http.auth import Keys
from scanner_service.http.resources import Served
from scanner_service.metrics import Metrics
from scanner_service.policy import Policy, Rule
from scanner_service.shadow import Shadows
from scanner_service.testing import FakeModels
from scanner_service.vault import Vault

KEY = "0123456789abcdef"
TIED_KEY = "fedcba9876543210"
VAULT_SECRET = "a secret of the tests of the service"
RULE = {"name": "unused", "kind": "secrets"}


@dataclass(frozen=True)
class Broken:
    """Raises something that quotes the text."""

    error: type[BaseException] = RuntimeError
    needs = ()

    def scan(self, text, context):
        raise self.error(text.value)


@dataclass
class World:
    """An application in process, and what it is made of."""

    policies: dict[str, Policy]
    settings: dict[str, Any] = field(default_factory=dict)
    models: Any = field(default_factory=lambda: FakeModels({}))
    is_ready: bool = True
    shared: Any = None
    audit: Any = None

    def __post_init__(self):
        chain = {"prompt": [RULE], "output": [RULE]}
        content = {"policies": dict.fromkeys(self.policies, chain), "keys": {"tied": {"policies": ["mild"]}}}
        self.config = msgspec.convert(content | self.settings, Config)
        keys = Keys.load(self.config, {"SCANNER_API_KEYS": f"test={KEY},tied={TIED_KEY}"})
        self.metrics = Metrics()
        self.engine = Engine(self.models, self.config.scan_timeout_seconds)
        self.shadows = Shadows(self.engine, self.metrics, draw=lambda: 0.5)
        self.app = create_app(
            config=self.config,
            engine=self.engine,
            served=lambda: Served(self.policies, self.config.default_policy, keys),
            metrics=self.metrics,
            vault=Vault([VAULT_SECRET], self.config.vault_lifetime_seconds),
            shadows=self.shadows,
            ready=lambda: self.is_ready,
            shared=self.shared,
            audit=self.audit,
        )
        self.client = TestClient(self.app, headers={"authorization": f"Bearer {KEY}"})


@pytest.fixture
def policies(word_rule):
    chain = (
        word_rule("ATTACK", name="attack", label="INJECTION"),
        word_rule("Ada", Action.REDACT, name="person", label="PERSON"),
        word_rule("whisper", name="quiet", optional=True),
    )
    broken = (Rule(name="broken", kind="test", scanner=Broken(), action=Action.BLOCK), *chain)
    return {
        "default": Policy("default", "d1", chain, chain),
        "mild": Policy("mild", "d2", chain[1:], chain[1:]),
        "optional": Policy("optional", "d3", chain[2:], chain[2:]),
        "broken": Policy("broken", "d4", broken, broken),
    }


@pytest.fixture
def make_world(policies):
    made = []

    def make(models=None, shared=None, audit=None, **settings):
        made.append(World(policies, settings, models or FakeModels({}), shared=shared, audit=audit))
        return made[-1]

    yield make
    for world in made:
        world.engine.close()


@pytest.fixture
def world(make_world):
    return make_world()


@pytest.fixture
def client(world):
    return world.client
