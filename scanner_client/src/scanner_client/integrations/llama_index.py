"""For LlamaIndex: a postprocessor that scans retrieved text, where instructions from strangers come in."""

from __future__ import annotations

from typing import Any

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.postprocessor.types import BaseNodePostprocessor

from scanner_client import Client, ScanFailed


class ScannerPostprocessor(BaseNodePostprocessor):  # type: ignore[misc]
    """
    Leaves out nodes whose text is malicious, and replaces values in the others as the policy says.

    The nodes of the index stay as they are. `ScanFailed` is raised if a node could not be scanned.

    Args:
        scanner: by default a client from the environment.
        policy: of the service, for what comes from strangers.
    """

    _scanner: Client = PrivateAttr()
    _policy: str | None = PrivateAttr()

    def __init__(self, scanner: Client | None = None, *, policy: str | None = None) -> None:
        super().__init__()
        self._scanner = scanner or Client()
        self._policy = policy

    @classmethod
    def class_name(cls) -> str:
        """As LlamaIndex names it."""
        return "ScannerPostprocessor"

    def _postprocess_nodes(self, nodes: list[Any], query_bundle: Any = None) -> list[Any]:
        texts = [found.node.get_content() for found in nodes]
        answers = self._scanner.analyze_many(texts, policy=self._policy)
        kept = []
        for found, text, answer in zip(nodes, texts, answers, strict=True):
            if isinstance(answer, ScanFailed):
                raise answer
            if answer.is_valid:
                kept.append(found if answer.sanitized_prompt == text else _with(found, answer.sanitized_prompt))
        return kept


def _with(found: Any, text: str) -> Any:
    node = found.node.model_copy(deep=True)
    node.set_content(text)
    return type(found)(node=node, score=found.score)
