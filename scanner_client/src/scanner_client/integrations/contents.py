"""The contents of messages, requests and answers: which strings are texts to be scanned, and which only refer."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

from scanner_client.integrations.data import WORDLESS, data_of, fields_of, strings
from scanner_client.integrations.walks import Ask, Unscannable, Walk, each

# Fields that refer, choose or carry bytes. Their values are passed on as long as they look like it.
_REFERENCES = frozenset(
    {"id", "name", "object", "model", "model_name", "model_provider", "role", "server_label", "type"}
    | {"detail", "effort", "encoding", "format", "media_type", "mime_type", "phase", "severity", "source_type"}
    | {"created_at", "done_reason", "finish_reason", "service_tier", "status", "stop_reason", "system_fingerprint"}
    | {"b64_json", "base64", "data", "encrypted_content", "file_data", "result", "signature", "thought_signature"}
    | {"url", "uri"}
)
_REFERENCE = re.compile(r"[\w.:|/+=~-]*|[A-Za-z][A-Za-z0-9+.-]*:[!-~]*", re.ASCII)

# Fields of JSON whose own names mean nothing here.
_JSON = frozenset({"args", "arguments", "attributes", "input", "parsed"})


def content_of(content: Any, *, is_output: bool = False) -> Walk[Any]:
    """
    A text, a message, an item, a part, or a list of them, as an API defines them.

    Every string is scanned, under names that nobody knows as well; only ids, types, URLs, encoded bytes and the like
    are passed on. The objects of an answer are changed in place. Tokens, which tell a text once more, are left out.

    Raises:
        Unscannable: there is something that is neither text nor made of fields.
    """
    if content is None or isinstance(content, WORDLESS):
        return content
    if isinstance(content, str):
        return (yield Ask(content, is_output)) if content.strip() else content
    if isinstance(content, (list, tuple)):
        return (yield from each(content_of(item, is_output=is_output) for item in content))
    if not is_output and hasattr(content, "model_dump"):
        content = content.model_dump(exclude_none=True)
    if isinstance(content, Mapping):
        named = {name: value for name, value in content.items() if name != "logprobs"}
        safe = yield from each(_field(named, name, is_output=is_output) for name in named)
        return dict(zip(named, safe, strict=True))
    if not is_output or not hasattr(content, "__dict__"):
        raise Unscannable(f"{type(content).__name__} can't be scanned")
    named = fields_of(content)
    for name, value in named.items():
        safe_value = None if name == "logprobs" else (yield from _field(named, name, is_output=True))
        if safe_value is not value:
            setattr(content, name, safe_value)
    return content


def _field(named: Mapping[str, Any], name: str, *, is_output: bool) -> Walk[Any]:
    value = named[name]
    if not isinstance(value, str) or isinstance(value, enum.Enum):
        if name in _JSON and not isinstance(value, (list, tuple)):
            return (yield from data_of(value, is_output=is_output))
    elif _is_reference(named, name, value):
        return value
    elif name in ("args", "arguments"):
        return (yield from strings(value, is_output=is_output))
    return (yield from content_of(value, is_output=is_output))


def _is_reference(named: Mapping[str, Any], name: str, value: str) -> bool:
    """Whether *value* refers to something instead of saying something. The same name may do either."""
    if name == "name" and named.get("role") == "user":
        return False
    if name == "data" and named.get("type") == "text":
        return False
    if name == "result" and named.get("type") != "image_generation_call":
        return False
    refers = name in _REFERENCES or name.endswith(("_id", "_url"))
    return refers and _REFERENCE.fullmatch(value) is not None
