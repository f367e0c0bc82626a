"""The page to read the API at: one file, nothing from outside, and no script but its own."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

_PAGE = (Path(__file__).parent / "docs.html").read_text("utf-8")


async def docs(request: Request) -> Response:
    """`GET /docs`"""
    headers = {
        "content-security-policy": _POLICY,
        "cache-control": "max-age=300",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
    }
    return Response(_PAGE, media_type="text/html", headers=headers)


def _hash_of(tag: str) -> str:
    """The hash by which the browser knows the page's own *tag* from one that was smuggled in."""
    content = re.search(f"<{tag}>(.*?)</{tag}>", _PAGE, re.DOTALL)
    if content is None:
        raise ValueError(f"the page has no <{tag}>")
    return f"'sha256-{b64encode(hashlib.sha256(content[1].encode()).digest()).decode()}'"


_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src {_hash_of('script')}",
        f"style-src {_hash_of('style')}",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
