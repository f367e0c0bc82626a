"""LlamaIndex: retrieved text."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.filterwarnings("default")

pytest.importorskip("llama_index.core")

from llama_index.core.schema import ImageNode, MetadataMode, NodeWithScore, TextNode  # noqa: E402

from scanner_client import Unavailable  # noqa: E402
from scanner_client.integrations.llama_index import ScannerPostprocessor  # noqa: E402
from scanner_client.testing import Answer, FakeScanner, failing, redacted  # noqa: E402
from tests.client.conftest import ATTACK  # noqa: E402


def nodes(*texts):
    return [
        NodeWithScore(node=TextNode(text=text, metadata={"n": at}), score=1 - at / 10) for at, text in enumerate(texts)
    ]


def test_malicious_nodes_are_left_out_and_values_are_replaced(scanner):
    found = nodes("Paris is a city.", f"Nice. {ATTACK}", "Ada lives there.")
    kept = ScannerPostprocessor(scanner).postprocess_nodes(found, query_str="Where?")
    assert [node.node.text for node in kept] == ["Paris is a city.", "[PERSON_1] lives there."]
    assert [(node.score, node.node.metadata["n"]) for node in kept] == [(1.0, 0), (0.8, 2)]
    assert found[2].node.text == "Ada lives there."
    assert len(asyncio.run(ScannerPostprocessor(scanner).apostprocess_nodes(found))) == 2


def test_what_cannot_be_scanned_is_not_used():
    fake = FakeScanner(lambda text: failing(500) if "b" in text else Answer())
    with pytest.raises(Unavailable):
        ScannerPostprocessor(fake.client(max_retries=0)).postprocess_nodes(nodes("a", "b"))


def kept(scanner, **node):
    """The one node that is kept of one; None if it is left out."""
    found = ScannerPostprocessor(scanner).postprocess_nodes([NodeWithScore(node=TextNode(**node), score=1)])
    return found[0].node if found else None


def test_metadata_is_scanned_as_the_llm_sees_it_and_where_it_does_not(scanner):
    assert kept(scanner, text="Open at 9.", metadata={"title": ATTACK}) is None
    window = {"window": f"Open at 9. {ATTACK}"}
    hidden = {"excluded_llm_metadata_keys": ["window"]}
    assert kept(scanner, text="Open at 9.", metadata=window, **hidden) is None
    node = kept(scanner, text="Ada wrote.", metadata={"author": "Ada", "page": 3, "window": "Ada wrote. So."}, **hidden)
    assert node.metadata == {"author": "[PERSON_1]", "page": 3, "window": "[PERSON_1] wrote. So."}
    assert node.get_content() == "[PERSON_1] wrote."
    assert "Ada" not in node.get_content(metadata_mode=MetadataMode.LLM)


def test_a_value_that_is_one_only_beside_its_name_is_replaced():
    def answer(text):
        safe = text.replace("password: 1234", "password: [SECRET_1]")
        return redacted(safe, {"[SECRET_1]": "1234"}) if safe != text else Answer()

    node = kept(FakeScanner(answer).client(), text="Log in.", metadata={"password": "1234"})
    assert "1234" not in node.get_content(metadata_mode=MetadataMode.LLM)
    assert "Log in." in node.get_content(metadata_mode=MetadataMode.LLM)


def test_nodes_without_a_text_pass(scanner):
    picture = NodeWithScore(node=ImageNode(text="", image_url="https://example.com/a.png"), score=1)
    assert ScannerPostprocessor(scanner).postprocess_nodes([picture, *nodes("Paris")])[0] is picture
