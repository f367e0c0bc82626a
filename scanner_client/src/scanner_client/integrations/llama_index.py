"""For LlamaIndex: a postprocessor that scans retrieved text, where instructions from strangers come in."""

from __future__ import annotations

import contextlib
from typing import Any

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode

from scanner_client import Blocked, Client, ScanFailed
from scanner_client.integrations import walks
from scanner_client.integrations.contents import content_of
from scanner_client.integrations.data import leaves


class ScannerPostprocessor(BaseNodePostprocessor):  # type: ignore[misc]
    """
    Leaves out nodes whose text or metadata is malicious, and replaces values in the others as the policy says.

    Nodes without a text pass. The nodes of the index stay as they are. `ScanFailed` is raised if a node could not be
    scanned.

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
        texts = [_text(found.node) for found in nodes]
        told = [text for text in texts if text.strip()]
        answers = iter(self._scanner.analyze_many(told, policy=self._policy))
        kept = []
        for found, text in zip(nodes, texts, strict=True):
            answer = next(answers) if text.strip() else None
            if isinstance(answer, ScanFailed):
                raise answer
            if answer is None or (answer.is_valid and answer.sanitized_prompt == text):
                kept.append(found)
            elif answer.is_valid:
                with contextlib.suppress(Blocked):
                    node, _ = walks.run(_replaced(found.node), self._scanner, policy=self._policy)
                    kept.append(type(found)(node=node, score=found.score))
        return kept


def _text(node: Any) -> str:
    """All that *node* says: what an LLM is sent, and the metadata that another postprocessor may put in its place."""
    text = node.get_content(metadata_mode=MetadataMode.LLM)
    others: list[str] = []

    def note(value: str) -> str:
        if value not in text:
            others.append(value)
        return value

    walks.answered(leaves(node.metadata, is_output=False), note)
    return "\n".join([text, *others])


def _replaced(node: Any) -> walks.Walk[Any]:
    """A copy of *node* with its texts replaced one by one."""
    node = node.model_copy(deep=True)
    shown = yield from content_of(node.get_content(metadata_mode=MetadataMode.LLM))
    if text := node.get_content(metadata_mode=MetadataMode.NONE):
        node.set_content((yield from content_of(text)))
    node.metadata = yield from leaves(node.metadata, is_output=False)
    if node.get_content(metadata_mode=MetadataMode.LLM) != shown:
        # What is a password only beside the name of its field is replaced in the whole alone.
        node.set_content(shown)
        node.excluded_llm_metadata_keys = list(node.metadata)
    return node
