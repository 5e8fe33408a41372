"""Reads the bodies of requests to the system APIs: bytes, and JSON objects."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from kapi import error_codes
from kapi.errors import Problem
from kapi.json_reading import NotJson, read_object

LARGEST_BODY = 64 * 1024
"""The default limit, in bytes."""


async def read_body(request: Request, most: int = LARGEST_BODY, *, at_once: bool = True) -> bytes:
    """The whole body. Raises Problem 413 when it has more than `most` bytes.

    It does so `at_once` if the request declares that many, or else after `most` bytes: a caller
    who is still sending a large body may not see an answer that comes at once.
    """
    declared = request.headers.get("content-length", "")
    if at_once and declared.isdigit() and len(declared) < 20 and int(declared) > most:
        raise too_large(most)
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise too_large(most)
    return bytes(content)


async def read_json_body(request: Request, hint: str, most: int = LARGEST_BODY) -> dict[str, Any]:
    """The JSON object in the body. Raises Problem 413, or 400 with the `hint`."""
    return json_object(await read_body(request, most), hint)


def json_object(content: bytes, hint: str) -> dict[str, Any]:
    """The JSON object in a body that has been read. Raises Problem 400 with the `hint`."""
    try:
        return read_object(content)
    except NotJson as error:
        raise Problem.of(error_codes.BODY_NOT_JSON, detail=str(error), hint=hint) from error


def too_large(most: int, hint: str = "Send a smaller body.") -> Problem:
    """The answer to a body or a part of it that is too large."""
    return Problem.of(
        error_codes.BODY_TOO_LARGE, detail=f"At most {most} bytes are read.", hint=hint
    )
