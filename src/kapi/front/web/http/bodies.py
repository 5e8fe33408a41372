"""Reads the bodies of requests to the system APIs: bytes, and JSON objects."""

from __future__ import annotations

from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final

from starlette.requests import Request

from kapi import error_codes
from kapi.errors import Problem
from kapi.json_reading import NotJson, read_object

LARGEST_BODY = 64 * 1024
"""The default limit, in bytes."""
_IN_MEMORY: Final = 1024 * 1024
"""Bytes of a large body that are kept in memory while it is received."""


async def read_body(
    request: Request, most: int = LARGEST_BODY, *, at_once: bool = True
) -> bytes:
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


async def read_large(request: Request, most: int) -> IO[bytes]:
    """The whole body, in a file if it is large. Raises Problem 413.

    Many callers may send large bodies at once, slowly; who has received one reads it in a lane.
    """
    file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - `json_in` closes it
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise too_large(most)
        file.write(chunk)
    file.seek(0)
    return file


def json_in(file: IO[bytes], hint: str) -> dict[str, Any]:
    """The JSON object in a file, which is closed. Raises Problem 400 with the `hint`."""
    with file:
        content = file.read()
    return json_object(content, hint)


async def read_json_body(
    request: Request, hint: str, most: int = LARGEST_BODY
) -> dict[str, Any]:
    """The JSON object in the body. Raises Problem 413, or 400 with the `hint`."""
    return json_object(await read_body(request, most), hint)


def json_object(content: bytes, hint: str) -> dict[str, Any]:
    """The JSON object in a body that has been read. Raises Problem 400 with the `hint`."""
    try:
        return read_object(content)
    except NotJson as error:
        raise Problem.of(
            error_codes.BODY_NOT_JSON, detail=str(error), hint=hint
        ) from error


def too_large(most: int, hint: str = "Send a smaller body.") -> Problem:
    """The answer to a body or a part of it that is too large."""
    return Problem.of(
        error_codes.BODY_TOO_LARGE, detail=f"At most {most} bytes are read.", hint=hint
    )
