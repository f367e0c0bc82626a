import re
from importlib.metadata import EntryPoint

import pytest

from scanner_service import registry
from scanner_service.errors import ConfigError


def test_every_kind_has_an_options_type_and_a_builder():
    for name in registry.kinds():
        kind = registry.find(name)
        assert kind.Config.__struct_config__.forbid_unknown_fields, name
        assert callable(kind.build), name


def test_an_unknown_kind_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"classifier.*secrets"):
        registry.find("clasifier")


@pytest.mark.parametrize("name", ["os", "..engine", "_presidio", "classifier.Classifier", "__init__"])
def test_a_configured_string_cannot_import_anything_else(name):
    with pytest.raises(ConfigError):
        registry.find(name)


def test_a_third_party_cannot_shadow_a_kind_of_ours(monkeypatch):
    class Point:
        name = "classifier"

        def load(self):
            raise AssertionError("must not be loaded")

    monkeypatch.setattr(registry, "entry_points", lambda **_: [Point()])
    assert registry.find("classifier").__name__ == "scanner_service.scanners.classifier"


def test_a_third_party_kind_is_found_by_its_entry_point(monkeypatch):
    theirs(monkeypatch, "canary", "scanner_service.scanners.length")
    assert registry.find("canary") is registry.find("length")
    assert "canary" in registry.kinds()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("not_installed.canary", "`not_installed.canary` cannot be imported: ModuleNotFoundError: "),
        ("string:nothing", "`string:nothing` cannot be imported: AttributeError: "),
        ("string", "`string` has no `Config` and no `build`"),
    ],
)
def test_a_third_party_kind_that_cannot_be_used_is_named(monkeypatch, value, said):
    theirs(monkeypatch, "canary", value)
    with pytest.raises(ConfigError, match=re.escape(f"the kind `canary`: {said}")):
        registry.find("canary")


def theirs(monkeypatch, name, value):
    """Let a package that is installed have a kind called *name*."""
    point = EntryPoint(name, value, registry.ENTRY_POINT_GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda **_: [point])
