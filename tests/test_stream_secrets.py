import base64
from random import Random

import pytest

from bench.secret_samples import fill
from scanner_service.findings import Action
from scanner_service.segments import MARGIN, SEGMENT
from tests.test_stream import kind_rule, scan, stream

SECRETS = kind_rule("secrets", Action.REDACT)
CARDS = kind_rule("pii", Action.REDACT, entities=["CREDIT_CARD"])
LINES = "\n".join(["{base64:64}"] * 24)
KEY = f"{{dash}}BEGIN RSA PRIVATE KEY{{dash}}\n{LINES}\n{{dash}}END RSA PRIVATE KEY{{dash}}"
PGP = f"{{dash}}BEGIN PGP PRIVATE KEY BLOCK{{dash}}\nVersion: GnuPG v2\n\n{LINES}\n=abcd\n"
PUTTY = (
    "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: a\n"
    f"Public-Lines: 24\n{LINES}\nPrivate-Lines: 24\n{LINES}"
)


def sample(template):
    return fill(template, Random(0))[0]


def each_line(before, text):
    return "\n".join(before.format(number) + line for number, line in enumerate(text.split("\n")))


def coded(form, text):
    return " ".join(form.format(ord(character)) for character in text)


TOKEN = sample("the token of production is ghp_{crc62:36}")
HELD = {
    "PEM": sample(KEY),
    "PEM with headers": sample(KEY.replace("\n", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{hex:32}\n\n", 1)),
    "PEM with a long header": sample(KEY.replace("\n", "\nComment: " + "of no meaning " * 20 + "\n\n", 1)),
    "PEM in a quotation": each_line("> ", sample(KEY)),
    "PEM with numbered lines": each_line("line {}: ", sample(KEY)),
    "PEM in short groups": sample(KEY.replace("{base64:64}", "{base64:4} {base64:4} {base64:4} {base64:4}")),
    "PEM with a marker that is parted": sample(KEY).replace("BEGIN", "BE\u200bGIN"),
    "PEM in hexadecimal": coded("{:02x}", sample(KEY.replace(LINES, LINES[:50]))),
    "PEM in base64": base64.encodebytes(sample(KEY).encode()).decode(),
    "PEM in base64 in a quotation": each_line("> ", base64.encodebytes(sample(KEY).encode()).decode()),
    "PGP": sample(PGP + "{dash}END PGP PRIVATE KEY BLOCK{dash}"),
    "PGP, cut off": sample(PGP),
    "PuTTY": sample(PUTTY + "\nPrivate-MAC: {hex:64}"),
    "PuTTY, cut off": sample(PUTTY),
    "a token in binary": coded("{:08b}", TOKEN),
    "a token in hexadecimal": coded("0x{:02x},", TOKEN),
    "a token in decimal": coded("{}", TOKEN),
    "a token in hexadecimal lines": ",\n".join(
        ",".join(f"0x{byte:02x}" for byte in TOKEN.encode()[at : at + 12]) for at in range(0, len(TOKEN), 12)
    ),
    "a key a long way behind its name": sample("the Bugsnag API key" + "\x1b[0m" * 150 + " = {hex:32}"),
    "a card around a title": "4111111\x1b]0;" + "lorem ipsum dolor sit amet " * 12 + "\x07111111111",
    "a card around controls": "4111111" + "\x1f" * 200 + "111111111",
    "a card around controls and a space": "4111 " + "\x1f" * 200 + "1111 1111 1111",
}


@pytest.mark.parametrize("before", ["See ", "This is the file that you have asked me for: ", "word " * 40])
@pytest.mark.parametrize("name", HELD)
def test_a_stream_redacts_what_a_scan_of_the_whole_text_redacts(name, before):
    text = f"{before}{HELD[name]}\nThat is all of it.{' And more words' * 20}"
    whole = scan(text, [SECRETS, CARDS])
    assert any(result.findings for result in whole.results)
    for length in (7, 50, len(text)):
        shown, result = stream([text[at : at + length] for at in range(0, len(text), length)], [SECRETS, CARDS])
        assert "".join(shown) == whole.sanitized
        assert [list(one.findings) for one in result.results] == [list(one.findings) for one in whole.results]


@pytest.mark.parametrize("marker", [KEY[:33], PGP[:41], "PuTTY-User-Key-File-3"])
def test_a_text_about_private_keys_comes_out_as_it_is(marker):
    text = f"A file that begins with `{sample(marker)}` is a key. " + "All of its lines are encoded. " * 400
    shown, result = stream([text[at : at + 50] for at in range(0, len(text), 50)], [SECRETS])
    assert "".join(shown) == text
    assert not any(one.findings for one in result.results)
    assert any(shown[:-1])


def test_a_key_whose_end_is_awaited_holds_nothing_back_where_keys_are_shown():
    text = sample(PGP.replace(LINES, "lines\n" * 300))
    for rules in (
        [CARDS],
        [kind_rule("secrets", Action.MONITOR)],
        [kind_rule("secrets", Action.REDACT, labels=["JWT"])],
    ):
        shown, _ = stream(list(text), rules)
        assert len("".join(shown[:-1])) >= len(text) - SEGMENT - MARGIN - len("lines\n")
