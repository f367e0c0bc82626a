"""What keys may be, and which policies the anonymous caller has."""

import hashlib
from base64 import b64encode

import msgspec
import pytest

from scanner_service.config import Config
from scanner_service.errors import ConfigError, Unauthorized
from scanner_service.http.auth import MIN_KEY_LENGTH, Caller, Keys

KEY = "k" * MIN_KEY_LENGTH
RULE = {"name": "one", "kind": "secrets"}


def load(environment, **settings):
    chains = {"prompt": [RULE], "output": [RULE]}
    config = msgspec.convert({"policies": dict.fromkeys(("default", "strict"), chains)} | settings, Config)
    return Keys.load(config, environment)


def test_the_anonymous_caller_may_be_tied_to_policies():
    tied = {"keys": {"anonymous": {"policies": ["strict"]}}}
    assert load({}, allow_anonymous=True, **tied).authenticate([]) == Caller("anonymous", ["strict"])
    with pytest.raises(ConfigError, match=r"`\$\.keys\.anonymous`: no API key has this name"):
        load({"SCANNER_API_KEYS": KEY}, **tied)


def test_a_key_of_sixteen_characters_is_long_enough():
    assert load({"SCANNER_API_KEYS": f"a={KEY}"}).authenticate([(b"x-api-key", KEY.encode())]) == Caller("a")
    with pytest.raises(ConfigError, match="at least 16 characters"):
        load({"SCANNER_API_KEYS": f"a={KEY[1:]}"})


def test_what_a_request_says_elsewhere_is_no_credential():
    others = [(b"host", b"test"), (b"proxy-authorization", b"Bearer wrong"), (b"user-agent", b"Basic !!!")]
    headers = [*others, (b"authorization", b"Basic   " + b64encode(f":{KEY}".encode()))]
    assert load({"SCANNER_API_KEYS": f"a={KEY}"}).authenticate(headers) == Caller("a")


def test_keys_of_the_variable_and_of_the_file_count_together(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"b={hashlib.sha256(b'b' * 16).hexdigest()}\n")
    keys = load({"SCANNER_API_KEYS": f"a={KEY}", "SCANNER_API_KEYS_FILE": str(file)})
    names = [keys.authenticate([(b"x-api-key", key)]).name for key in (KEY.encode(), b"b" * 16)]
    assert names == ["a", "b"]


def test_a_file_of_keys_that_is_no_text_is_named(tmp_path):
    file = tmp_path / "keys"
    file.write_bytes(b"a=\xff\n")
    with pytest.raises(ConfigError, match="keys: not UTF-8"):
        load({"SCANNER_API_KEYS_FILE": str(file)})


def test_the_hash_of_nothing_is_no_key(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# printf %s $UNSET | sha256sum\nmobile={hashlib.sha256(b'').hexdigest()}\n")
    with pytest.raises(ConfigError, match="keys:2: the SHA-256 of nothing"):
        load({"SCANNER_API_KEYS_FILE": str(file)})


@pytest.mark.parametrize("key", [b"short", b"k" * (MIN_KEY_LENGTH - 1)])
@pytest.mark.parametrize("header", [(b"x-api-key", b"%s"), (b"authorization", b"Bearer %s")])
def test_a_key_that_is_too_short_lets_nobody_in_however_it_is_listed(key, header, tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"a={hashlib.sha256(key).hexdigest()}\nb={hashlib.sha256(KEY.encode()).hexdigest()}\n")
    keys = load({"SCANNER_API_KEYS_FILE": str(file)})
    with pytest.raises(Unauthorized):
        keys.authenticate([(header[0], header[1] % key)])
    assert keys.authenticate([(header[0], header[1] % KEY.encode())]) == Caller("b")
