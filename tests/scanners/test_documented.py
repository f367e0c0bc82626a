"""What docs/scanners.md gives to paste works as it stands."""

import re
from pathlib import Path

import pytest

from scanner_service.assembly import assemble
from scanner_service.scanner import Context
from scanner_service.text import Text
from scanner_service.views import VIEWS

DOCUMENT = (Path(__file__).parents[2] / "docs/scanners.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
MIGRATED = BLOCKS[-1]
OTHER = "\n    output:\n      - { name: secrets, kind: secrets }\n"


def rules(block, folder):
    path = folder / "policy.yaml"
    path.write_text(f"policies:\n  default:\n    prompt:\n{re.sub('(?m)^', '      ', block)}{OTHER}", encoding="utf-8")
    return {rule.name: rule for rule in assemble({"SCANNER_CONFIG": str(path)}).policies["default"].prompt}


@pytest.mark.parametrize("block", BLOCKS, ids=[block.split(maxsplit=3)[2] for block in BLOCKS])
def test_every_example_is_a_configuration(block, tmp_path):
    assert rules(block, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("competitors", "Acme is no part of Acmeville, Globex Corporation is.", ["Acme", "Globex Corporation"]),
        ("code", "Look:\n```python\nx\n```\n", ["```", "```"]),
        ("code", "def run(self):\n    return", ["def run(self):"]),
        ("code", "I import tea: green, black; from China.\nThe class of 2024 was large.", []),
        ("no_refusal", "As an AI language model, I do not eat.", ["As an AI language model"]),
        ("only_our_links", "https://www.example.com/a or https://evil.test/b?c", ["https://evil.test/b?c"]),
        ("names_and_numbers", "blue heron: ann@example.org", ["blue heron", "ann@example.org"]),
    ],
)
def test_what_llm_guard_has_a_scanner_for_is_found_by_the_rule_that_is_given_for_it(name, text, found, tmp_path):
    rule = rules(MIGRATED, tmp_path)[name]
    views = {need: [(view, ()) for view in Text(text).views(VIEWS[need.view])] for need in rule.scanner.needs}
    result = rule.judge(rule.scanner.scan(Text(text), Context(predictions=views)))
    assert [finding.span.of(text) for finding in result.findings] == found


LLM_GUARD = [
    "Anonymize", "BanCode", "BanCompetitors", "BanSubstrings", "BanTopics", "Bias", "Code", "Deanonymize",
    "EmotionDetection", "FactualConsistency", "Gibberish", "InvisibleText", "JSON", "Language", "LanguageSame",
    "MaliciousURLs", "NoRefusal", "PromptInjection", "ReadingTime", "Regex", "Relevance", "Secrets",
    "Sensitive", "Sentiment", "TokenLimit", "Toxicity", "URLReachability",
]  # fmt: skip


@pytest.mark.parametrize("scanner", LLM_GUARD)
def test_each_of_llm_guards_scanners_has_its_answer(scanner):
    section = DOCUMENT.split("\n## Coming from LLM Guard\n", 1)[1]
    assert [line for line in section.splitlines() if re.match(rf"\|[^|]*`{scanner}`[^|]*\| \S", line)]
