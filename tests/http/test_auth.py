import hashlib
from base64 import b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_service.config import Config
from scanner_service.errors import ConfigError, Unauthorized
from scanner_service.http.auth import Caller, Keys

ALPHA, BETA = "a" * 20, "b" * 20
RULE = {"name": "one", "kind": "secrets"}


def keys(variable=f"alpha={ALPHA},beta={BETA}", file=None, **settings):
    policies = {"default": {"prompt": [RULE], "output": [RULE]}, "strict": {"prompt": [RULE], "output": [RULE]}}
    config = msgspec.convert({"policies": policies} | settings, Config)
    environment = {"SCANNER_API_KEYS": variable} | ({"SCANNER_API_KEYS_FILE": str(file)} if file else {})
    return Keys.load(config, environment)


def basic(user, password=""):
    return b"Basic " + b64encode(f"{user}:{password}".encode())


def name(headers, known=None):
    return (known or keys()).authenticate(headers).name


@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", f"Bearer {ALPHA}".encode()),
        (b"authorization", f"bearer   {ALPHA} ".encode()),
        (b"authorization", f"  BEARER {ALPHA}".encode()),
        (b"authorization", basic(ALPHA)),
        (b"authorization", basic("anything", ALPHA)),
        (b"authorization", basic("anything", ALPHA).replace(b"Basic", b"bAsIc")),
        (b"x-api-key", ALPHA.encode()),
        (b"x-api-key", f" {ALPHA} ".encode()),
    ],
)
def test_a_key_is_known_in_every_form(header):
    assert name([header]) == "alpha"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Bearer wrong")],
        [(b"authorization", ALPHA.encode())],
        [(b"authorization", f"Digest {ALPHA}".encode())],
        [(b"authorization", f"Bearer {ALPHA} {BETA}".encode())],
        [(b"authorization", f"Bearer {ALPHA.upper()}".encode())],
        [(b"authorization", b"Basic !!!")],
        [(b"authorization", b"Basic \xff")],
        [(b"authorization", b"Basic Og==")],
        [(b"x-api-key", b"")],
        [(b"x-api-key", hashlib.sha256(ALPHA.encode()).hexdigest().encode())],
        [(b"x-api-key", ALPHA.encode()), (b"authorization", b"Bearer wrong")],
        [(b"x-api-key", ALPHA.encode()), (b"x-api-key", BETA.encode())],
        [(b"x-api-key", ALPHA.encode()), (b"authorization", f"Bearer {BETA}".encode())],
        [(b"cookie", f"key={ALPHA}".encode())],
        [(b"x-api-key", ALPHA.encode())] * 5,
    ],
)
def test_anything_else_is_refused(headers):
    with pytest.raises(Unauthorized):
        name(headers)


def test_the_same_key_twice_is_one_credential():
    assert name([(b"x-api-key", ALPHA.encode()), (b"authorization", f"Bearer {ALPHA}".encode())]) == "alpha"


@given(st.binary())
def test_no_header_breaks_it(value):
    for header in (b"authorization", b"x-api-key"):
        for prefix in (b"", b"Bearer ", b"Basic "):
            with pytest.raises(Unauthorized):
                keys().authenticate([(header, prefix + value)])


def test_no_key_at_all_is_a_configuration_error_that_says_what_to_do():
    with pytest.raises(ConfigError, match=r"SCANNER_API_KEYS.*allow_anonymous"):
        keys("")
    with pytest.raises(ConfigError, match="no API key"):
        keys(" , ")


def test_without_keys_everybody_is_anonymous_if_that_is_meant():
    known = keys("", allow_anonymous=True)
    assert name([], known) == "anonymous"
    assert name([(b"authorization", b"Bearer whatever")], known) == "anonymous"


def test_a_wrong_credential_is_refused_even_where_none_is_needed():
    known = keys(allow_anonymous=True)
    assert name([], known) == "anonymous"
    with pytest.raises(Unauthorized):
        name([(b"authorization", b"Bearer wrong")], known)


def test_a_name_may_have_two_keys_while_one_replaces_the_other():
    known = keys(f"team={ALPHA},team={BETA}")
    assert {name([(b"x-api-key", key.encode())], known) for key in (ALPHA, BETA)} == {"team"}


def test_a_key_without_a_name_has_the_same_one_wherever_it_stands():
    names = {name([(b"x-api-key", BETA.encode())], known) for known in (keys(f"{ALPHA},{BETA}"), keys(BETA))}
    assert names == {"key-" + hashlib.sha256(BETA.encode()).hexdigest()[:8]}


def test_a_file_holds_hashes(tmp_path):
    file = tmp_path / "keys"
    digest = hashlib.sha256(ALPHA.encode()).hexdigest()
    file.write_text(f"# of the mobile team\n\nmobile={digest}\n{hashlib.sha256(BETA.encode()).hexdigest().upper()}\n")
    known = keys("", file)
    assert name([(b"x-api-key", ALPHA.encode())], known) == "mobile"
    assert name([(b"x-api-key", BETA.encode())], known).startswith("key-")


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("short", r"entry 1: a key has at least 16 characters \(what precedes `=` is its name\)"),
        (f"a={ALPHA},b=short", "entry 2: a key has at least 16 characters"),
        (f"my team={ALPHA}", "entry 1: a name is letters"),
        (f"={ALPHA}", "entry 1: a name is letters"),
        (f"a={ALPHA},b={ALPHA}", "listed twice"),
    ],
)
def test_a_key_that_cannot_be_used_is_an_error_that_does_not_show_it(variable, message):
    with pytest.raises(ConfigError, match=message) as error:
        keys(variable)
    assert ALPHA not in str(error.value)
    assert "short" not in str(error.value)


@pytest.mark.parametrize("content", ["mobile=abc\n", "mobile\n", f"a b={'0' * 64}\n", "mobile=" + "g" * 64])
def test_a_line_that_is_no_hash_is_named_by_its_number(tmp_path, content):
    file = tmp_path / "keys"
    file.write_text("# keys\n" + content)
    with pytest.raises(ConfigError, match="keys:2"):
        keys("", file)


@pytest.mark.parametrize("by", ["variable", "file"])
def test_no_key_may_be_called_anonymous(tmp_path, by):
    file = tmp_path / "keys"
    file.write_text(f"anonymous={hashlib.sha256(ALPHA.encode()).hexdigest()}\n")
    with pytest.raises(ConfigError):
        keys(f"anonymous={ALPHA}") if by == "variable" else keys("", file)


def test_a_missing_file_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError, match="nowhere: cannot be read: No such file or directory"):
        keys("", tmp_path / "nowhere")


def test_a_key_is_tied_to_policies_by_its_name():
    known = keys(keys={"alpha": {"policies": ["strict"]}})
    assert known.authenticate([(b"x-api-key", ALPHA.encode())]) == Caller("alpha", ["strict"])
    assert known.authenticate([(b"x-api-key", BETA.encode())]) == Caller("beta", None)


def test_a_grant_for_a_key_that_does_not_exist_is_an_error():
    # With a misspelled name the key would silently keep access to every policy.
    with pytest.raises(ConfigError, match=r"default\.yaml: `\$\.keys\.alhpa`: .*alpha, beta"):
        keys(keys={"alhpa": {"policies": ["strict"]}})


def test_every_key_is_compared_whatever_matched_before(monkeypatch):
    compared = []

    def compare(left, right):
        compared.append(right)
        return left == right

    monkeypatch.setattr("scanner_service.http.auth.hmac.compare_digest", compare)
    known = keys()
    known.authenticate([(b"x-api-key", ALPHA.encode())])
    with pytest.raises(Unauthorized):
        known.authenticate([(b"x-api-key", b"wrong" * 4)])
    assert len(compared) == 4
