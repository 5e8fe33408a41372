"""Public documents with an entity tag (RFC 9110 §8.8.3, §13.1.2): the JWKS, the discovery document."""

from __future__ import annotations

from kapi.identity.http import ANY_ORIGIN, Answer, Headers, Request
from kapi.identity.keys import etag

MAX_AGE = 300
"""Seconds a client may keep a document."""


def document_answer(content: bytes, request: Request, media_type: str = "application/json") -> Answer:
    """The document, or 304 when the caller has it already."""
    tag = etag(content)
    headers: Headers = (("content-type", media_type), ("cache-control", f"public, max-age={MAX_AGE}"), ("etag", tag), *ANY_ORIGIN)
    if any(name == "if-none-match" and tag in value for name, value in request.headers):
        return Answer(304, headers)
    return Answer(200, headers, content)
