"""LlamaIndex: retrieved text."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.filterwarnings("default")

pytest.importorskip("llama_index.core")

from llama_index.core.schema import NodeWithScore, TextNode  # noqa: E402

from scanner_client import Unavailable  # noqa: E402
from scanner_client.integrations.llama_index import ScannerPostprocessor  # noqa: E402
from scanner_client.testing import FakeScanner, failing  # noqa: E402
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
    fake = FakeScanner({"b": failing(500)})
    with pytest.raises(Unavailable):
        ScannerPostprocessor(fake.client(max_retries=0)).postprocess_nodes(nodes("a", "b"))
