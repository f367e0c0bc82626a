"""Finding, replacing and putting back, together: nothing is left, everything comes back."""

import asyncio
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.secret_samples import fill
from scanner_service.engine import Engine
from scanner_service.findings import Action
from scanner_service.policy import Rule
from scanner_service.restore import restore
from scanner_service.sanitizer import Operator
from scanner_service.scanners import invisible_text, pii, secrets
from scanner_service.testing import FakeModels

TEMPLATES = ["ghp_{crc62:36}", "AKIA{base32:16}", "sk_live_{alnum:24}", "SG.{word:22}.{word:42}x", "glpat-{word:19}a"]
SCANNER = secrets.build(secrets.Config(), {})
RULE = Rule(name="secrets", kind="secrets", scanner=SCANNER, action=Action.REDACT)


RULES = [
    RULE,
    Rule(name="pii", kind="pii", scanner=pii.build(pii.Config(), {}), action=Action.REDACT),
    Rule(
        name="invisible",
        kind="invisible_text",
        scanner=invisible_text.build(invisible_text.Config(), {}),
        action=Action.REDACT,
        operator=Operator.REDACT,
    ),
]
# Made from the templates, so that no credential stands in this file.
KEYS = {template.partition("{")[0]: fill(template, Random(3))[1] for template in TEMPLATES}
GITHUB, AWS = KEYS["ghp_"], KEYS["AKIA"]
VALUES = ["4111 1111 1111 1111", "412-55-9876", "jane@mybank.com", "GB82WEST12345698765432", GITHUB, AWS]


def scan(text, rules=(RULE,)):
    engine = Engine(FakeModels({}), 10.0)
    try:
        return asyncio.run(engine.scan(rules, text))
    finally:
        engine.close()


@given(
    st.lists(st.tuples(st.sampled_from(TEMPLATES), st.integers(0, 99)), min_size=1, max_size=6, unique=True),
    st.integers(1, 5),
    st.sampled_from(["\n", " ", ", ", '","', " and then ", "|"]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40)
def test_of_many_secrets_repeated_none_is_left_and_all_come_back(chosen, times, separator, rng):
    values = [fill(template, Random(seed))[1] for template, seed in chosen]
    repeated = values * times
    rng.shuffle(repeated)
    text = separator.join(repeated)
    result = scan(text)
    assert not any(value in result.sanitized for value in values)
    assert len(result.results[0].findings) == len(repeated)
    assert len(result.replaced) == len(set(values))
    assert restore(result.sanitized, result.replaced) == text


@pytest.mark.parametrize(
    ("text", "sanitized"),
    [
        ("card 4111 1111 1111 11\u280011", "card [CREDIT_CARD_1]"),
        ("SSN is 412-55\u2800-9876", "SSN is [US_SSN_1]"),
        ("jane@my\u200bbank.com", "[EMAIL_ADDRESS_1]"),
        ("john\u200bsmith@example.com", "[EMAIL_ADDRESS_1]"),
        (f"{AWS[:2]}\u200b{AWS[2]}\u200b{AWS[3:]}", "[AWS_ACCESS_KEY_ID_1]"),
        (f"{GITHUB[:14]}\u2800{GITHUB[14:]}", "[GITHUB_TOKEN_1]"),
        (f"log: \x1b[32m{AWS}\x1b[0m done", "log: [AWS_ACCESS_KEY_ID_1] done"),
        ("log: \x1b[1;32m412-55-9876\x1b[0m done", "log: [US_SSN_1] done"),
        (f"\x1b]8;;https://a.example\x07{GITHUB}\x1b]8;;\x07", "[GITHUB_TOKEN_1]"),
        (f"log: \\u001b[32m{AWS}\\u001b[0m", "log: \\u001b[32m[AWS_ACCESS_KEY_ID_1]\\u001b[0m"),
        ("\x1b[31mERROR\x1b[0m it \x1b[1mdid\x1b[0m not work", "ERROR it did not work"),
        ("Write [EMAIL_ADDRESS\u200b_1] to jane@example.com", "Write [EMAIL_ADDRESS_1] to [EMAIL_ADDRESS_2]"),
        (f"it is {GITHUB.replace('_', chr(92) + '_')}", "it is [GITHUB_TOKEN_1]"),
        (r"jane\_doe@example.com", "[EMAIL_ADDRESS_1]"),
        (f"{GITHUB[:10]}\u0301{GITHUB[10:]}", "[GITHUB_TOKEN_1]"),
        ("4111 1111 1111 11\u03011\u03011", "[CREDIT_CARD_1]"),
        (GITHUB.translate({ord("0") + n: 0xFF10 + n for n in range(10)}), "[GITHUB_TOKEN_1]"),
        (f"it is {GITHUB.replace('p', 'р')}", "it is [GITHUB_TOKEN_1]"),
    ],
)
def test_a_value_in_disguise_does_not_come_out_plainly(text, sanitized):
    assert scan(text, RULES).sanitized == sanitized


HIDERS = st.sampled_from(
    ["\u200b", "\u2800", "\u3164", "\u00ad", "\x1b", "\x1b[31m", "\x1b]0;x\x07", "\u200bI\u200b", "\0"]
)


@given(
    st.sampled_from(VALUES), st.lists(st.tuples(st.integers(0, 40), HIDERS), max_size=4), st.sampled_from(["a ", "I"])
)
@settings(max_examples=150, deadline=None)
def test_a_sanitized_text_holds_nothing_that_a_second_scan_would_find(value, hidden, before):
    text = value
    for at, hider in hidden:
        text = text[:at] + hider + text[at:]
    once = scan(f"{before}{text} and more", RULES).sanitized
    assert scan(once, RULES).sanitized == once
