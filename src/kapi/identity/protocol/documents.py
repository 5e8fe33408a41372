"""Public documents with an entity tag (RFC 9110 §8.8.3, §13.1.2), such as the JWKS."""

from __future__ import annotations

import hashlib

from kapi.identity.protocol.http import ANY_ORIGIN, Answer, Headers, Request

MAX_AGE = 300
"""Seconds a client may keep a document."""


def document_answer(
    content: bytes,
    request: Request,
    headers: Headers = (("content-type", "application/json"), *ANY_ORIGIN),
) -> Answer:
    """The document, or 304 when the caller has it already. `headers` contain its media type."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = (*headers, ("cache-control", f"public, max-age={MAX_AGE}"), ("etag", tag))
    if tag in " ".join(request.values("if-none-match")):
        return Answer(304, headers)
    return Answer(200, headers, content)
