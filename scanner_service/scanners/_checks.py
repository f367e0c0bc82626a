"""What tells a credential from a placeholder, a name, a number or a hash: the `check`s of `data/secrets.toml`."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import sha256

# What stands where a value will be: `xxxx`, `<key>`, `${KEY}`, `{{ key }}`, `%s`, `call()`.
_BLANK = re.compile(r"(?i)x{4}|\*{3}|\.{3}|…|^<|>$|\$[({A-Za-z_]|\{\{|^[{%]|%[(s]|\(\)|\($|^\[[A-Z][A-Z0-9_]*\]$")
# The same in quotes, where signs may be a part of the secret.
_FILLED = re.compile(
    r"(?i)x{4}|\*{4}|\.{3}|…|^<|>$|\{\{|\$\{|^[{$]\w+$|^[{\[(].*[}\])]$|^\$\(.*\)$|%\(\w+\)|^%\w+%?$|^%s|\w\(.*\)$"
)
# Words that say so, anywhere in the value or as all of it.
_SPOKEN = re.compile(
    r"(?i)your|example|placeholder|change_?-?me|dummy|redacted|insert|replace|sample|process\.env|environ|getenv"
    r"|^(?:user(?:name)?|(?:new|old|my)?_?pass(?:word|wd)?|pwd|secret|token|key|hidden|string|text|str|bytes|required"
    r"|none|null|true|false|undefined|invalid|incorrect|wrong|missing|empty|optional|field|input|forgot|reset|confirm"
    r"|passwor[dt]|kennwort|contraseña|senha|wachtwoord|hasło|şifre|parola|lösenord|adgangskode|salasana|heslo|jelszó"
    r"|пароль)$"
)
# Parts of identifiers, file names, dates and versions: letters with a short number at most, or names of classes,
# which also have numbers inside (`StreamingConv1dCacheLayer`).
_WORD = re.compile(r"[A-Za-z]*[0-9]{0,4}|[0-9]+|(?:[A-Z][a-z]{2,}(?:[0-9]{1,4}[a-z]?)?){3,}")
_BREAKS = re.compile(r"[^A-Za-z0-9]+")

_BASE58 = {
    character: value for value, character in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
}
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def shape(value: str) -> float:
    """For forms that hardly occur by chance: all but fillings such as `xxxx` count."""
    return 0.0 if re.search(r"(?i)x{5}|\.{3}", value) or len(set(value)) < 5 else 0.95


def block(value: str) -> float:
    """For key blocks between markers: nothing more to know."""
    return 1.0 if len(set(value)) > 20 else 0.0


def random(value: str) -> float:
    """For strings that only their place makes secret: they must look random."""
    letters = value.isalnum() and _has_both_cases(value, 24)
    return 0.8 if not _SPOKEN.search(value) and _is_random(value) and (letters or not _has_words(value)) else 0.0


def opaque(value: str) -> float:
    """For strings of a known length that stand beside the name of a vendor."""
    return 0.85 if _is_random(value) and (_has_both_cases(value, 12) or not _has_words(value)) else 0.0


def password(value: str) -> float:
    """For quoted passwords that people think of: letters with digits or signs; letters alone are less likely."""
    if _FILLED.search(value) or _SPOKEN.search(value) or re.search(r"\s", value) or len(set(value)) < 3:
        return 0.0
    if re.fullmatch(r"[\w./:|-]+", value) and re.search(r"[_./:|-]", value) and _has_words(value):
        # An identifier, a path, a date, the rules of a form; but not `Pale-Heron-77`.
        is_typed = re.fullmatch(r"[\w.-]+", value) and all(
            re.search(kind, value) for kind in ("[A-Z]", "[a-z]", "[0-9]")
        )
        return 0.6 if is_typed else 0.0
    return 0.6 if re.search(r"[0-9]|[^\w\s]", value) and not value.isdecimal() else 0.5


def bare_password(value: str) -> float:
    """For passwords without quotes, which in code could be expressions: only with letters and digits or signs."""
    letters = re.search(r"[A-Za-z]", value)
    looks_typed = letters and (re.search(r"[0-9!@#$%^&*?~+=]", value) or _has_both_cases(value, 8))
    # A call, a collection, a tag or an alias of YAML, the name of a class or a test, an attribute, a variable.
    is_code = re.search(r"^[\w.]+[(\[]|^[({\[]|^[!*&][A-Za-z_]+$|^(?:[A-Z][a-z]{2,}){2,}$", value)
    is_name = re.search(r"[_.]", value) and re.fullmatch(r"[\w.-]+", value) and _has_words(value)
    return password(value) if looks_typed and not (is_code or is_name or _BLANK.search(value)) else 0.0


def typed_password(value: str) -> float:
    """For what follows the word *password* with nothing between: letters, digits and signs, all of them."""
    kinds = all(re.search(kind, value) for kind in ("[A-Za-z]", "[0-9]", "[!@#$%^&*?~+=]"))
    return bare_password(value) if kinds and not re.search(r"@\w+\.|[=(]", value) else 0.0


def quoted(value: str) -> float:
    """For strings in quotes that only their place makes secret: `$(` or `%(` in them is no expression."""
    is_placeholder = _FILLED.search(value) or _SPOKEN.search(value)
    return 0.8 if _varies(value) and not is_placeholder and not _has_words(value) else 0.0


def url_password(value: str) -> float:
    """For passwords in addresses, where no other word is expected."""
    return 0.0 if _is_placeholder(value) or re.fullmatch(r"[0-9]{1,5}", value) else 0.9


def crc62(value: str) -> float:
    """For GitHub and npm: the last six of 36 characters are the CRC-32 of the others in base 62."""
    token = value.rpartition("_")[2]
    rest, number = zlib.crc32(token[:-6].encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        number = _BASE62[digit] + number
    return 1.0 if token[-6:] == number else min(shape(value), 0.7)


def base58(value: str) -> float:
    """For Bitcoin: the last four bytes are the start of a double SHA-256 of the others."""
    number = functools.reduce(lambda total, character: total * 58 + _BASE58[character], value, 0)
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return 1.0 if sha256(sha256(data[:-4]).digest()).digest()[:4] == data[-4:] else 0.0


def jwt(value: str) -> float:
    """For JSON web tokens: the header is JSON and names an algorithm."""
    try:
        header = json.loads(_decode(value.partition(".")[0]))
    except (ValueError, RecursionError):
        return 0.0
    return 1.0 if isinstance(header, dict) and "alg" in header else 0.0


def basic(value: str) -> float:
    """For basic authentication: base64 of a name, a colon and a password."""
    try:
        name, colon, secret = _decode(value).decode().partition(":")
    except ValueError:
        return 0.0
    return 0.9 if name and colon and secret and secret.isprintable() else 0.0


def pem64(value: str) -> float:
    """For key blocks that are encoded once more."""
    try:
        return 1.0 if b"PRIVATE KEY" in _decode(value[:80]) else 0.0
    except ValueError:
        return 0.0


Check = Callable[[str], float]

CHECKS: Mapping[str, Check] = {
    check.__name__: check
    for check in (
        shape,
        block,
        random,
        quoted,
        opaque,
        password,
        bare_password,
        typed_password,
        url_password,
        crc62,
        base58,
        jwt,
        basic,
        pem64,
    )
}


def entropy(value: str) -> float:
    """Bits per character, by the frequencies in *value* itself."""
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())


def _is_placeholder(value: str) -> bool:
    return bool(_BLANK.search(value) or _SPOKEN.search(value))


def _is_random(value: str) -> bool:
    return _varies(value) and _BLANK.search(value) is None


def _varies(value: str) -> bool:
    """Whether its characters are as many different ones as in a random string, and it is no address."""
    return (
        "://" not in value
        and re.search("[A-Za-z]", value) is not None
        and entropy(value) >= min(2.7, 0.8 * math.log2(len(value)))
    )


def _has_words(value: str) -> bool:
    """Whether it could be an identifier, a path, a version or a date: no digits among the letters of a part."""
    return all(_WORD.fullmatch(part) for part in _BREAKS.split(value))


def _has_both_cases(value: str, length: int) -> bool:
    """Whether so long a value mixes the cases of its letters more than names do."""
    return (
        len(value) >= length
        and value.isalnum()
        and 0.2 < sum(character.isupper() for character in value) / len(value) < 0.8
    )


def _decode(value: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(value.replace("+", "-").replace("/", "_") + "=" * (-len(value) % 4))
    except binascii.Error:
        raise ValueError("not base64") from None
