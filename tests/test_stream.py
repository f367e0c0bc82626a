import asyncio
import json
import re
import threading
import time
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scanner_service import registry, sanitizer
from scanner_service.engine import Engine
from scanner_service.findings import Action, Finding
from scanner_service.policy import Rule
from scanner_service.sanitizer import Operator
from scanner_service.segments import CONTEXT, MARGIN, SEGMENT
from scanner_service.stream import StreamScanner
from scanner_service.testing import FakeModels
from scanner_service.text import Span
from tests.timing import least_seconds

KNOWN = {"[PERSON_1]": "Ann Lee", "[PERSON_12]": "Bob", "[CITY_1]": 'Ro"me'}


@dataclass(frozen=True)
class PatternScanner:
    pattern: str
    label: str
    needs: tuple = ()
    whole_text: bool = False

    def scan(self, text, context):
        for match in re.finditer(self.pattern, text.value, re.DOTALL):
            yield Finding(self.label, 1.0, Span(*match.span()))


def rule(pattern, label, action=Action.REDACT, **settings):
    whole = settings.pop("whole_text", False)
    scanner = PatternScanner(pattern, label, (), whole)
    return Rule(name=label.lower(), kind="pattern", scanner=scanner, action=action, **settings)


EMAIL = rule(r"[a-z0-9.]+@[a-z0-9]+\.[a-z]{2,}", "EMAIL_ADDRESS")
CARD = rule(r"\d{4}(?: \d{4}){3}", "CREDIT_CARD", operator=Operator.MASK)
KEY = rule(r"-----BEGIN KEY-----(?:(?!-----END).)*(?:-----END KEY-----|-----[END KY-]*\Z)?", "PRIVATE_KEY")
BAD = rule(r"\bforbidden\b", "BAD", Action.BLOCK)
RULES = [EMAIL, CARD, KEY, BAD]
PATTERNS = {rule.name: rule.scanner.pattern for rule in RULES}


def stream(pieces, rules=RULES, known=KNOWN):
    """What is shown after each piece, and the result."""

    async def run():
        engine = Engine(FakeModels({}), 5.0)
        scanner = StreamScanner(engine, rules, known=known)
        shown = [await scanner.feed(piece) for piece in pieces]
        shown.append(await scanner.close())
        engine.close()
        return shown, scanner.result

    return asyncio.run(run())


def scan(text, rules=RULES):
    """The result of a scan of the whole text."""

    async def run():
        engine = Engine(FakeModels({}), 5.0)
        result = await engine.scan(rules, text)
        engine.close()
        return result

    return asyncio.run(run())


def answer(pieces, rules=RULES):
    shown, result = stream(pieces, rules)
    return "".join(shown), result.is_valid, [(one.scanner, tuple(one.findings)) for one in result.results]


WORDS = st.sampled_from(
    [
        *("hello", "ann@example.com", "4111 1111 1111 1111", "[PERSON_1]", "person_12", "[City 1]", "x" * 150, "\n"),
        *("-----BEGIN KEY-----", "-----END KEY-----", "a" * 90 + "@example.com", "1111", "lorem ipsum dolor sit amet"),
        *("é\U0001f600", "forbidden", "unforbidden", "x" * 220),
    ]
)


HALF_AN_END = "".join(
    [
        "-----BEGIN KEY----- " + "a" * 90 + "@example.com lorem ipsum dolor sit amet hello ",
        "ann@example.com " * 3 + "-----END KEY-----",
    ]
)


@st.composite
def outputs_in_pieces(draw):
    text = " ".join(draw(st.lists(WORDS, max_size=40)))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return text, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@settings(deadline=None, max_examples=60)
@given(outputs_in_pieces())
def test_any_split_gives_the_text_verdict_and_findings_of_the_whole(case):
    text, pieces = case
    assert answer(pieces) == answer([text])
    assert answer(list(text)) == answer([text])


@settings(deadline=None, max_examples=60)
@given(outputs_in_pieces())
def test_every_finding_cuts_out_what_it_names(case):
    text, pieces = case
    for name, findings in answer(pieces)[2]:
        for finding in findings:
            assert re.fullmatch(PATTERNS[name], finding.span.of(text), re.DOTALL), name


@settings(deadline=None, max_examples=60)
@given(outputs_in_pieces())
@example((HALF_AN_END, [HALF_AN_END]))
def test_a_stream_finds_what_a_scan_of_the_whole_text_finds(case):
    text, pieces = case
    _, is_valid, findings = answer(pieces)
    whole = scan(text)
    assert is_valid == whole.is_valid
    # What stands behind a block is not looked at.
    assert findings == [(one.scanner, tuple(one.findings)) for one in whole.results] or not is_valid


def test_nothing_that_must_be_redacted_is_ever_shown():
    text = "start " + "word " * 30 + "ann@example.com " + "word " * 30 + "4111 1111 1111 1111 end"
    shown, result = stream(list(text))
    assert "ann@" not in "".join(shown)
    assert "4111" not in "".join(shown)
    assert "[EMAIL_ADDRESS_1]" in "".join(shown)
    assert result.is_valid


def test_the_stages_of_all_segments_are_told_together():
    _, one = stream(["a word"])
    _, many = stream(["word " * 1000])
    assert [stage.name for stage in one.stages] == [stage.name for stage in many.stages]
    assert sum(stage.seconds for stage in many.stages) > sum(stage.seconds for stage in one.stages)


def test_values_are_put_back_across_the_borders_of_pieces():
    text = "Dear [PERSON_1] and [Person 12], " + "welcome " * 40
    assert "".join(stream(list(text))[0]).startswith("Dear Ann Lee and Bob, welcome")


def test_values_in_a_json_document_are_escaped():
    assert "".join(stream(list('{"city": "[CITY_1]"}'))[0]) == '{"city": "Ro\\"me"}'


def test_a_block_stops_the_stream_before_it_is_shown():
    pieces = ["fine " * 100, "now the forbidden word ", "and more " * 100]
    shown, result = stream(pieces)
    assert not result.is_valid
    assert "forbidden" not in "".join(shown)
    assert "and more" not in "".join(shown)
    assert [hit.span.of("".join(pieces)) for hit in result.results[-1].findings] == ["forbidden"]


@pytest.mark.parametrize("length", range(1, 2 * SEGMENT))
def test_a_word_that_is_cut_where_a_window_begins_is_no_finding(length):
    text = "n" * length + "forbidden " + "words " * ((CONTEXT + 2 * SEGMENT) // 6)
    shown, result = stream([text])
    assert result.is_valid
    assert "".join(shown) == text


def test_a_finding_longer_than_the_margin_is_held_back_until_it_ends():
    key = "-----BEGIN KEY----- " + "abcdef 0123 " * 200 + "-----END KEY-----"
    shown, result = stream(list(f"see {key} there " + "word " * 60))
    assert "".join(shown).startswith("see [PRIVATE_KEY_1] there word")
    assert [hit.span for one in result.results for hit in one.findings] == [Span(4, 4 + len(key))]


def test_what_is_safe_comes_out_within_the_hold_back_bound():
    text = "plain words only " * 200
    shown, _ = stream(list(text))
    arrived = out = 0
    for piece in shown[:-1]:
        arrived, out = arrived + 1, out + len(piece)
        assert arrived - out <= SEGMENT + MARGIN + len("plain ")
    assert "".join(shown) == text


def test_a_rule_that_judges_the_whole_judges_at_the_end():
    whole = rule(r"\Aab+\Z", "ALL", Action.BLOCK, whole_text=True)
    assert not stream(["a", "b" * 500, "b"], [EMAIL, whole])[1].is_valid
    assert stream(["a", "b" * 500, "c"], [EMAIL, whole])[1].is_valid


def kind_rule(kind, action=Action.BLOCK, **options):
    module = registry.find(kind)
    scanner = module.build(msgspec.convert(options, module.Config), {})
    return Rule(name=kind, kind=kind, scanner=scanner, action=action)


JSON = json.dumps({f"key {number}": "value " * 20 for number in range(60)})
ALLOWED = {"entries": [{"substrings": ["ticket 42"]}], "mode": "allow"}
TOGETHER = {"entries": [{"substrings": ["first half", "second half"], "contains_all": True}]}


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (kind_rule("structure", types=["object"]), JSON, JSON[:-1]),
        (kind_rule("length", max_characters=5_000), "word " * 1_000, "word " * 1_000 + "w"),
        (kind_rule("patterns", **ALLOWED), "ticket 42: " + "text " * 1_000, "ticket 43: " + "text " * 1_000),
        (kind_rule("patterns", **TOGETHER), "first half " * 500, "first half " * 500 + "second half"),
    ],
    ids=["structure", "length", "patterns, allow", "patterns, contains_all"],
)
def test_what_depends_on_all_of_an_output_is_judged_at_its_end(rule, good, bad):
    for text, is_valid in ((good, True), (bad, False)):
        shown, result = stream([text[i : i + 50] for i in range(0, len(text), 50)], [EMAIL, rule])
        assert result.is_valid is is_valid
        assert "".join(shown) == text


def test_a_scanner_that_fails_blocks_the_stream():
    @dataclass(frozen=True)
    class Failing:
        needs: tuple = ()

        def scan(self, text, context):
            raise RuntimeError

    failing = Rule(name="failing", kind="test", scanner=Failing(), action=Action.REDACT)
    shown, result = stream(["some text"], [failing])
    assert ("".join(shown), result.is_valid, result.results[0].error) == ("", False, "scanner_failed")


def test_an_empty_stream_has_an_empty_valid_answer():
    shown, result = stream([])
    assert ("".join(shown), result.is_valid) == ("", True)
    assert len(result.results) == len(RULES)


def test_a_stream_without_rules_is_refused():
    with pytest.raises(ValueError, match="without rules"):
        StreamScanner(Engine(FakeModels({}), 1.0), [])


@pytest.mark.parametrize("text", ["word " * 200, "x" * 1000, "-----BEGIN KEY-----" + "a " * 500, "[PERSON_1] " * 90])
def test_work_grows_with_the_length_of_the_output_not_with_its_square(text):
    scanned = []

    @dataclass(frozen=True)
    class Counting:
        needs: tuple = ()

        def scan(self, text, context):
            scanned.append(len(text))
            return ()

    counting = Rule(name="counting", kind="test", scanner=Counting(), action=Action.REDACT)
    volumes = []
    for factor in (1, 10):
        scanned.clear()
        stream(re.findall(r".{1,7}", text * factor, re.DOTALL), [counting, KEY])
        volumes.append(sum(scanned))
    assert volumes[1] <= 12 * volumes[0] + 10 * (CONTEXT + MARGIN)


def test_the_time_for_many_pieces_grows_linearly():
    def seconds(count):
        return least_seconds(lambda: stream(["some word "] * count, [EMAIL]), runs=2, clock=time.process_time)

    seconds(100)
    assert seconds(5_000) < 25 * max(seconds(500), 0.02)


def test_the_time_for_many_pieces_without_white_space_grows_linearly():
    def seconds(count):
        return least_seconds(lambda: stream(["a"] * count, [BAD]), runs=2, clock=time.process_time)

    seconds(100)
    assert seconds(8_000) < 12 * max(seconds(1_000), 0.005)


def test_a_rule_that_monitors_reports_and_changes_neither_the_text_nor_when_it_comes():
    everything = rule(".+", "EVERYTHING", Action.MONITOR)
    output = "plain words of an output " * 40
    pieces = [output[at : at + 20] for at in range(0, len(output), 20)]
    shown, result = stream(pieces, [EMAIL, everything])
    assert shown == stream(pieces, [EMAIL])[0]
    assert "".join(shown) == output
    assert (result.is_valid, result.results[1].triggered, result.results[1].action) == (True, True, Action.MONITOR)


def test_the_time_for_many_values_to_redact_grows_linearly():
    def seconds(count):
        output = [f"a{number}@b.co " for number in range(count)]
        return least_seconds(lambda: stream(output, [EMAIL]), runs=2, clock=time.process_time)

    assert seconds(2_000) < 20 * max(seconds(250), 0.05)


def test_a_segment_costs_no_look_at_all_known_values():
    def seconds(count):
        known = {f"[PERSON_{number}]": f"name {number}" for number in range(1, count)}
        known |= {f"Joan {number} Doe": f"other {number}" for number in range(count)}
        return least_seconds(lambda: stream(["word " * 200] * 5, [EMAIL], known), runs=2, clock=time.process_time)

    assert seconds(10_000) < seconds(10) + 1


def test_many_stand_ins_are_made_up_off_the_event_loop(monkeypatch):
    threads = set()

    def made(text, edits, substitutes):
        threads.add(threading.get_ident())
        return sanitizer.sanitize(text, edits, substitutes)

    monkeypatch.setattr("scanner_service.stream.sanitize", made)
    many = ",".join(f"a{number}@b.co" for number in range(100))
    assert "".join(stream([many], [EMAIL])[0]) == ",".join(f"[EMAIL_ADDRESS_{number}]" for number in range(1, 101))
    assert threading.get_ident() not in threads
