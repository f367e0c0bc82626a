"""Made-up letters, forms, logs and messages full of personal data, with the place of each value."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from faker import Faker

Spans = set[tuple[int, int, str]]

AREA_CODES = ("202", "212", "303", "312", "415", "503", "617", "713", "808")

# How each value is written; the checksums are right, as those of real values are.
VALUES: Mapping[str, Callable[[Any], str]] = {
    "CREDIT_CARD": lambda fake: fake.credit_card_number(random_card(fake)),
    "CRYPTO": lambda fake: fake.random_element(
        ("1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq")
    ),
    "EMAIL_ADDRESS": lambda fake: fake.email(),
    "IBAN_CODE": lambda fake: fake.iban(),
    "IP_ADDRESS": lambda fake: fake.random_element((fake.ipv4_public(), fake.ipv6())),
    "PERSON": lambda fake: fake.name_nonbinary() if fake.pybool() else f"{fake.first_name()} {fake.last_name()}",
    "PHONE_NUMBER": lambda fake: fake.numerify(f"+1 {fake.random_element(AREA_CODES)}-{fake.random_int(2, 9)}##-####"),
    "US_SSN": lambda fake: fake.ssn(),
}

TEMPLATES = (
    "Dear {PERSON},\n\nyour card {CREDIT_CARD} was charged twice. Call {PHONE_NUMBER} or write to {EMAIL_ADDRESS}.",
    "Transfer 120 EUR to {IBAN_CODE}, account holder {PERSON}, by Friday.",
    "2026-03-14T09:26:53Z INFO login ok user={EMAIL_ADDRESS} from {IP_ADDRESS} version=2.14.3 build=20260314",
    "Applicant: {PERSON}\nSocial security number: {US_SSN}\nPhone: {PHONE_NUMBER}\nE-mail: {EMAIL_ADDRESS}\n",
    '{{"name": "{PERSON}", "contact": {{"mail": "{EMAIL_ADDRESS}", "tel": "{PHONE_NUMBER}"}}, "order": 4711}}',
    "Send the refund in bitcoin to {CRYPTO} and tell {PERSON} when it is done.",
    "| {PERSON} | {EMAIL_ADDRESS} | {PHONE_NUMBER} |\n| {PERSON} | {EMAIL_ADDRESS} | {PHONE_NUMBER} |",
    "hi, it's {PERSON} again. my ssn is {US_SSN} and the card ends in nothing, here it is: {CREDIT_CARD}",
    "The server at {IP_ADDRESS} (os.path, config.py, README.md, v1.2.3.4) does not answer; ask {EMAIL_ADDRESS}.",
    # Nothing in these is personal.
    "Order 100200300 of 12/03/2026 weighs 1.25 kg; ISBN 978-3-16-148410-0, commit 9f86d081884c7d659a2feaa0c55ad015.",
    "import os.path\n\nVERSION = '10.4.0.1'\nTIMEOUT = 1234567890\nprint(config.get('id', 4111111111111112))",
)


def random_card(fake: Any) -> str:
    """A kind of card whose numbers have sixteen digits."""
    return str(fake.random_element(("visa16", "mastercard", "discover")))


def documents(count: int, seed: int) -> list[tuple[str, Spans]]:
    """*count* documents, each with the spans and labels of its values; the same for the same *seed*."""
    fake = Faker("en_US")
    fake.seed_instance(seed)
    rng = random.Random(seed)
    return [_fill(rng.choice(TEMPLATES), fake) for _ in range(count)]


def _fill(template: str, fake: Any) -> tuple[str, Spans]:
    text, spans = "", set()
    parts = template.replace("{{", "\0").replace("}}", "\1").replace("{", "\2").replace("}", "\2").split("\2")
    for at, part in enumerate(parts):
        if at % 2:
            value = VALUES[part](fake)
            spans.add((len(text), len(text) + len(value), part))
            text += value
        else:
            text += part.replace("\0", "{").replace("\1", "}")
    return text, spans
