import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from scanner_service import evidence
from scanner_service.errors import ConfigError

KEY = X25519PrivateKey.generate()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS, TEXTS)
def test_what_is_sealed_can_be_read_with_the_private_key(text, bound_to):
    assert evidence.unseal(evidence.seal(text, KEY.public_key(), bound_to), KEY, bound_to) == text


def test_nothing_else_opens_it():
    sealed = evidence.seal("a secret", KEY.public_key(), "event")
    assert evidence.unseal(sealed, X25519PrivateKey.generate(), "event") is None
    assert evidence.unseal(sealed, KEY, "another event") is None
    assert evidence.unseal(sealed[:-8] + "AAAAAAA=", KEY, "event") is None
    assert evidence.unseal("no base64", KEY, "event") is None
    # The public key is all that the service holds; used as if it were the private one, it opens nothing.
    assert (
        evidence.unseal(sealed, X25519PrivateKey.from_private_bytes(KEY.public_key().public_bytes_raw()), "event")
        is None
    )


def test_equal_texts_are_sealed_differently():
    assert evidence.seal("a", KEY.public_key(), "event") != evidence.seal("a", KEY.public_key(), "event")


def test_a_long_text_is_cut():
    text = "é" * (evidence.MAX_CHARACTERS + 1)
    sealed = evidence.seal(text, KEY.public_key(), "event")
    assert evidence.unseal(sealed, KEY, "event") == text[:-1]
    assert len(evidence.seal("\U0001f600" * evidence.MAX_CHARACTERS, KEY.public_key(), "event")) < 500_000


def test_a_public_key_is_read_as_it_is_spelled():
    spelled = evidence.spell_public_key(KEY.public_key())
    assert evidence.read_public_key(spelled).public_bytes_raw() == KEY.public_key().public_bytes_raw()


@pytest.mark.parametrize(
    "encoded",
    ["", "short", base64.b64encode(bytes(31)).decode(), base64.b64encode(bytes(32)).decode(), "é" * 44, "A" * 43 + "!"],
)
def test_a_key_to_which_nothing_can_be_sealed_is_refused_and_not_repeated(encoded):
    with pytest.raises(ConfigError, match="not an X25519 public key") as error:
        evidence.read_public_key(encoded)
    assert not encoded or encoded not in str(error.value)
