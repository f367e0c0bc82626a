"""Makes credentials that never existed from the templates in `scanner_service/data/secrets.toml`."""

from __future__ import annotations

import base64
import re
import string
import zlib
from hashlib import sha256
from random import Random

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
ALPHABETS = {
    "A": "A",
    "HEX": "0123456789ABCDEF",
    "alnum": string.ascii_letters + string.digits,
    "base32": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "base64": string.ascii_letters + string.digits + "+/",
    "bech32": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "digit": string.digits,
    "hex": "0123456789abcdef",
    "letter": string.ascii_letters,
    "lower": string.ascii_lowercase + string.digits,
    "upper": string.ascii_uppercase + string.digits,
    "word": string.ascii_letters + string.digits + "_-",
}


def fill(template: str, random: Random) -> tuple[str, str]:
    """A text made from *template*, and the secret in it."""
    text = re.sub(r"\{(\w+)(?::(\d+))?\}", lambda match: _fill(match[1], int(match[2] or 0), random), template)
    if "«" not in text:
        return text, text
    before, _, rest = text.partition("«")
    secret, _, after = rest.partition("»")
    return before + secret + after, secret


def _fill(name: str, length: int, random: Random) -> str:
    special = {"uuid": _uuid, "basic": _basic, "pem64": _pem64, "dash": lambda _: "-----"}
    if name in special:
        return special[name](random)
    if name == "crc62":
        return _crc62(_characters("alnum", length - 6, random))
    if name == "wif":
        return _wif(length == 52, random)
    return _characters(name, length, random)


def _characters(alphabet: str, length: int, random: Random) -> str:
    return "".join(random.choices(ALPHABETS[alphabet], k=length))


def _uuid(random: Random) -> str:
    return "-".join(_characters("hex", length, random) for length in (8, 4, 4, 4, 12))


def _basic(random: Random) -> str:
    return base64.b64encode(f"deploy:{_characters('alnum', 18, random)}".encode()).decode()


def _pem64(random: Random) -> str:
    dashes = "-" * 5
    body = "\n".join(_characters("base64", 64, random) for _ in range(4))
    return base64.b64encode(
        f"{dashes}BEGIN PRIVATE KEY{dashes}\n{body}\n{dashes}END PRIVATE KEY{dashes}\n".encode()
    ).decode()


def _crc62(body: str) -> str:
    rest, number = zlib.crc32(body.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        number = BASE62[digit] + number
    return body + number


def _wif(compressed: bool, random: Random) -> str:
    data = b"\x80" + random.randbytes(32) + (b"\x01" if compressed else b"")
    data += sha256(sha256(data).digest()).digest()[:4]
    number, written = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        written = BASE58[digit] + written
    return written
