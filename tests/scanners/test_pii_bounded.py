"""Kind `pii` on texts that are long, or made to keep a recognizer busy."""

from __future__ import annotations

import asyncio
import base64
import random

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner_service.engine import Engine
from scanner_service.findings import Action
from scanner_service.policy import Rule
from scanner_service.scanners import pii
from scanner_service.scanners._presidio import bounded
from scanner_service.scanners._presidio.bounded import BoundedRegex, TooSlow
from scanner_service.scanners._presidio.recognizers import build, catalogue, tunings
from scanner_service.testing import FakeModels, run_scanner
from tests.timing import least_seconds

DEFAULT = pii.build(pii.Config(), {})

# Inputs that keep presidio's defaults busy for seconds to minutes, and others of their kind.
SEEDS = (
    *(":", "a.", "1.", "+", "(", "😀", "@", "-", "7", " 1", " 41", " 01", "a@", "a@a.", "1-", "::1 ", "0:", "1/", "/"),
    *(
        "A",
        "a-",
        "A1",
        "AB12 ",
        "4111 ",
        "http://",
        "www.",
        ".com",
        '"',
        "'",
        "_",
        "\n1",
        "ab ",
        "x" * 30 + "-",
        "+49 1",
    ),
    *("\\", "\\\\n", "\\u00", "%40", "a%40a.", "://" + "a:" * 48 + "@a."),
    *("a@a.co ", "412-55-9876 ", "4111 1111 1111 1111 ", "192.168.10.77 ", "٣", "４ ", "\u200b1", "ssn ", "! "),
)
_chance = random.Random(7)
OTHERS = (
    base64.b64encode(_chance.randbytes(150_000)).decode(),
    _chance.randbytes(100_000).hex(),
    "".join(_chance.choice("0123456789 -./()+") for _ in range(200_000)),
    "".join(_chance.choice("0123456789abcdef:.@- ") for _ in range(200_000)),
)

# Ten to fifty times what it takes on the machine it was written on; presidio's own take minutes.
SECONDS_PER_100_000 = 6.0


def repeat(seed: str, length: int) -> str:
    return (seed * (length // len(seed) + 1))[:length]


def seconds(scanner: pii.Pii, text: str, enough: float = 0.0) -> float:
    return least_seconds(lambda: run_scanner(scanner, text), enough=enough)


class TestHostileTexts:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_no_repeated_input_keeps_the_defaults_busy(self, seed: str) -> None:
        most = SECONDS_PER_100_000 / 2
        assert seconds(DEFAULT, repeat(seed, 50_000), most) <= most

    @pytest.mark.parametrize("seed", [" 01", "a@a.", "1.", "4111 1111 1111 1111 "])
    def test_four_times_the_text_takes_about_four_times_the_time(self, seed: str) -> None:
        most = 10 * seconds(DEFAULT, repeat(seed, 50_000)) + 0.1
        assert seconds(DEFAULT, repeat(seed, 200_000), most) <= most

    @pytest.mark.parametrize("text", OTHERS, ids=["base64", "hexadecimal", "digits", "letters"])
    def test_no_random_text_keeps_the_defaults_busy(self, text: str) -> None:
        most = SECONDS_PER_100_000 * 2
        assert seconds(DEFAULT, text[:200_000], most) <= most

    @pytest.mark.parametrize("entity", list(catalogue()))
    def test_every_recognizer_gets_through_all_of_them(self, entity: str) -> None:
        text = "\n".join(repeat(seed, 2500) for seed in SEEDS) + "".join(other[:2500] for other in OTHERS)
        analyzer = pii.build(pii.Config(entities=[entity]), {}).analyzer
        most = SECONDS_PER_100_000 * len(text) / 100_000
        assert least_seconds(lambda: analyzer.analyze(text), enough=most) <= most

    def test_an_entity_after_a_hostile_text_is_still_found(self) -> None:
        for seed in (":", "a.", " 1", "@", "😀"):
            text = repeat(seed, 20_000) + " jane.doe@example.com"
            found = [finding for finding in run_scanner(DEFAULT, text) if finding.score >= 0.5]
            assert [finding.span.of(text) for finding in found] == ["jane.doe@example.com"]


class TestTimeouts:
    EVIL = r"(?:a|a)*$"

    def test_a_window_that_takes_too_long_is_an_error(self) -> None:
        with pytest.raises(TooSlow):
            list(BoundedRegex(self.EVIL, 0).finditer("a" * 40 + "b", timeout=0.05))

    def test_the_time_has_a_limit_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounded, "SECONDS", 0.05)
        with pytest.raises(TooSlow):
            list(BoundedRegex(self.EVIL, 0).finditer("a" * 40 + "b", timeout=60))

    def test_presidio_does_not_take_it_for_nothing_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounded, "SECONDS", 0.05)
        recognizer = build("US_SSN", (), ())
        recognizer.patterns[0].compiled_regex = BoundedRegex(self.EVIL, 0)
        recognizer.patterns[0].compiled_with_flags = recognizer.global_regex_flags
        with pytest.raises(TooSlow):
            recognizer.analyze("a" * 40 + "b", ["US_SSN"])

    def test_the_rule_is_excused_and_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def too_slow(*_: object, **__: object) -> None:
            raise TooSlow

        monkeypatch.setattr(BoundedRegex, "finditer", too_slow)
        engine = Engine(FakeModels({}), 5)
        rule = Rule(name="pii", kind="pii", scanner=DEFAULT, action=Action.REDACT)
        result = asyncio.run(engine.scan([rule], "4111 1111 1111 1111"))
        engine.close()
        assert not result.is_valid
        assert result.results[0].error == "scanner_failed"


def patterns() -> list[object]:
    """Every pattern of every recognizer, with the flags that presidio gives it."""
    found = []
    for entity in catalogue():
        recognizer = build(entity, ("US", "GB"), ())
        found += [
            pytest.param(pattern.regex, recognizer.global_regex_flags, id=f"{entity} {pattern.name}")
            for pattern in getattr(recognizer, "patterns", ())
        ]
    return found


EXAMPLES = [example for tuning in tunings().values() for example in tuning.examples]


class TestWindows:
    @pytest.mark.parametrize(("pattern", "flags"), patterns())
    def test_windows_find_what_one_pass_finds(self, pattern: str, flags: int, monkeypatch: pytest.MonkeyPatch) -> None:
        text = " ".join([*EXAMPLES, "AB 12 34 56 C 1980-01-02 D1234567 123-456-789 BE-12-CD XYZ123456789", *EXAMPLES])
        whole = [match.span() for match in regex.compile(pattern, flags).finditer(text)]
        for window in (5, 64):
            monkeypatch.setattr(bounded, "WINDOW", window)
            assert [match.span() for match in BoundedRegex(pattern, flags).finditer(text)] == whole

    @settings(max_examples=60)
    @given(
        st.lists(st.tuples(st.sampled_from(EXAMPLES), st.integers(0, 40)), min_size=1, max_size=6),
        st.integers(bounded.WINDOW - 60, bounded.WINDOW + 5),
        st.sampled_from([" ", "x ", ". ", "ab, "]),
    )
    def test_no_entity_is_lost_at_a_border(self, entities: list[tuple[str, int]], start: int, filler: str) -> None:
        line = " . ".join(value + " " + "w " * padding for value, padding in entities)
        alone = [(f.label, f.span.start, f.span.end) for f in run_scanner(DEFAULT, " . " + line)]
        before = repeat(filler, start) + "\n" * 3
        text = before + " . " + line
        shifted = [(f.label, f.span.start - len(before), f.span.end - len(before)) for f in run_scanner(DEFAULT, text)]
        assert shifted == alone

    def test_every_copy_in_a_long_text_is_found(self) -> None:
        text = "".join(f"{'word ' * (index % 97)}jane{index}@example.com, " for index in range(500))
        found = {finding.span.of(text) for finding in run_scanner(DEFAULT, text) if finding.score >= 0.5}
        assert found == {f"jane{index}@example.com" for index in range(500)}

    def test_an_address_with_a_local_part_longer_than_a_window_is_found(self) -> None:
        text = "x" * 5000 + "@example.com"
        assert any(finding.span.end == len(text) and finding.score == 1.0 for finding in run_scanner(DEFAULT, text))
