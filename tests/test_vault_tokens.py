"""What must stay as it is from release to release, and what is read from the environment."""

import re

import pytest

from scanner_service.errors import ConfigError
from scanner_service.vault import Vault

SECRET = "a secret that nobody else has"
FIRST, SECOND = "0123456789abcdef", "fedcba9876543210"
SEALED_AT = 1_000_000_000.0
# Of the first release. A change that cannot open it parts the replicas of a rolling update, and needs another prefix.
TOKEN = "v1.LkCEvRot8v5R3XrbQJk3wA08KLLbPmCCTjb4QQmmZljyBe8ADg0rT29Uy9lu16hF-Np0LlB4"


def test_a_token_of_an_earlier_release_can_be_opened():
    assert Vault([SECRET], 60, lambda: SEALED_AT + 59.9).open(TOKEN, "team-a") == {"[PERSON_1]": "Ann Lee"}


def test_a_token_needs_no_escape_wherever_it_is_put():
    vault = Vault([SECRET], 60)
    tokens = [vault.seal({"[PERSON_1]": "A" * length}, "team-a") for length in range(6)]
    assert [token for token in tokens if not re.fullmatch(r"v1\.[A-Za-z0-9_-]+", token)] == []


def test_each_use_of_a_secret_has_a_key_of_its_own_that_every_replica_derives():
    def keys(*secrets):
        vault = Vault(secrets, 60)
        return [vault.substitutes_key, vault.verdicts_key, vault.audit_key]

    assert keys(FIRST, SECOND) == keys(FIRST)
    assert len({*keys(FIRST), *keys(SECOND)}) == 6
    assert {len(key) for key in keys(FIRST)} == {32}


@pytest.mark.parametrize("listed", [f"{FIRST},{SECOND}", f" {FIRST} , ,{SECOND},", f"{FIRST}\n,{SECOND}\n"])
def test_blanks_around_and_between_the_secrets_of_the_environment_mean_nothing(listed):
    loaded = Vault.load({"SCANNER_VAULT_KEYS": listed}, 60)
    assert Vault([FIRST], 60).open(loaded.seal({"[A_1]": "b"}, "team-a"), "team-a") == {"[A_1]": "b"}
    assert loaded.open(Vault([SECOND], 60).seal({"[A_1]": "b"}, "team-a"), "team-a") == {"[A_1]": "b"}


def test_no_secret_in_the_environment_is_a_wrong_setting():
    with pytest.raises(ConfigError, match="at least one secret in SCANNER_VAULT_KEYS"):
        Vault.load({}, 60)


def test_a_secret_of_fifteen_characters_is_too_short_and_one_of_sixteen_is_not():
    Vault([FIRST], 60)
    with pytest.raises(ConfigError, match="shorter than 16 characters"):
        Vault([FIRST[:15]], 60)
