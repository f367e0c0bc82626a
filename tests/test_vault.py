import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.errors import ConfigError, InvalidVaultToken
from scanner_service.vault import Vault

OLD, NEW = "an old secret of the house", "a new secret of the house"
VALUES = {"[PERSON_1]": "Ann Lee", "[EMAIL_ADDRESS_1]": "ann@example.com"}


def refused(vault, token, owner="team-a"):
    with pytest.raises(InvalidVaultToken) as error:
        vault.open(token, owner)
    return str(error.value)


@given(st.dictionaries(st.text(), st.text()), st.text())
def test_what_is_sealed_for_an_owner_can_be_opened_by_that_owner(values, owner):
    vault = Vault([NEW], 60)
    assert vault.open(vault.seal(values, owner), owner) == values


def test_another_vault_with_the_same_secrets_opens_the_token():
    assert Vault([NEW], 60).open(Vault([NEW], 60).seal(VALUES, "team-a"), "team-a") == VALUES


def test_a_token_tells_nothing_of_its_values():
    token = Vault([NEW], 60).seal(VALUES, "team-a")
    assert "Ann" not in token
    assert token.startswith("v1.")
    assert token != Vault([NEW], 60).seal(VALUES, "team-a")


def test_changed_expired_and_foreign_tokens_are_refused_in_the_same_words():
    clock = [1000.0]
    vault = Vault([NEW], 60, lambda: clock[0])
    token = vault.seal(VALUES, "team-a")
    words = {refused(vault, token, "team-b"), refused(vault, token[:-2] + "AA"), refused(Vault([OLD], 60), token)}
    words |= {
        refused(vault, other) for other in ("", "v1.", "v1.AAAA", "v2" + token[2:], token + "=", "v1.é", "x" * 999)
    }
    clock[0] += 60
    assert words | {refused(vault, token)} == {"the vault token cannot be opened"}


def test_no_single_changed_character_goes_unnoticed():
    vault = Vault([NEW], 60)
    token = vault.seal(VALUES, "team-a")
    for index, character in enumerate(token):
        for other in set("ABCabc019-_. ") - {character}:
            refused(vault, token[:index] + other + token[index + 1 :])


def test_a_rotated_secret_still_opens_but_no_longer_seals():
    token = Vault([OLD], 60).seal(VALUES, "team-a")
    both = Vault([NEW, OLD], 60)
    assert both.open(token, "team-a") == VALUES
    refused(Vault([OLD], 60), both.seal(VALUES, "team-a"))


@pytest.mark.parametrize("secrets", [[], ["short"], [NEW, ""]])
def test_a_vault_without_a_real_secret_does_not_start(secrets):
    with pytest.raises(ConfigError, match="SCANNER_VAULT_KEYS"):
        Vault(secrets, 60)
