"""Finding, replacing and putting back, together: nothing is left, everything comes back."""

import asyncio
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.secret_samples import fill
from scanner_service.engine import Engine
from scanner_service.findings import Action
from scanner_service.policy import Rule
from scanner_service.restore import restore
from scanner_service.scanners import secrets
from scanner_service.testing import FakeModels

TEMPLATES = ["ghp_{crc62:36}", "AKIA{base32:16}", "sk_live_{alnum:24}", "SG.{word:22}.{word:42}x", "glpat-{word:19}a"]
SCANNER = secrets.build(secrets.Config(), {})
RULE = Rule(name="secrets", kind="secrets", scanner=SCANNER, action=Action.REDACT)


def scan(text):
    engine = Engine(FakeModels({}), 10.0)
    try:
        return asyncio.run(engine.scan([RULE], text))
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
