"""multipart/form-data of the system APIs (RFC 7578), with a limit on everything and a clear error for each mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.http.bodies import too_large

_ROOM_FOR_HEADERS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One field of the form: its bytes, and its file name when it was sent as a file."""

    content: bytes
    file_name: str = ""

    def text(self, field: str) -> str:
        """The content as text without surrounding white space. Raises Problem when it is not UTF-8."""
        try:
            return self.content.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise Problem.of(
                error_codes.INVALID_DEFINITION,
                f"{field} is not UTF-8 text",
                hint=f"Send {field} as UTF-8 text.",
            ) from error


async def read_form(request: Request, limits: Mapping[str, int]) -> dict[str, Part]:
    """The fields named in `limits` (field to greatest number of bytes) that the request holds.

    Raises Problem: 415 for another media type, 400 for a broken or repeated part, 413 for one that is too large.
    """
    if (
        request.headers.get("content-type", "").partition(";")[0].strip().lower()
        != "multipart/form-data"
    ):
        raise Problem.of(
            error_codes.INVALID_DEFINITION,
            "The body must be multipart/form-data",
            hint="With curl: --form 'name=@file' for each part.",
            status=415,
        )
    limited = Request(request.scope, _capped(request, sum(limits.values()) + _ROOM_FOR_HEADERS))
    try:
        async with limited.form(
            max_files=16, max_fields=16, max_part_size=max(limits.values())
        ) as form:
            parts: dict[str, Part] = {}
            for name, value in form.multi_items():
                if name not in limits:
                    continue
                if name in parts:
                    raise Problem.of(
                        error_codes.INVALID_DEFINITION,
                        f"The part {name} was sent more than once",
                        hint="Send each part once.",
                    )
                content = await value.read() if isinstance(value, UploadFile) else value.encode()
                if len(content) > limits[name]:
                    raise _too_large(limits[name])
                parts[name] = Part(
                    content, (value.filename or "") if isinstance(value, UploadFile) else ""
                )
            return parts
    except (
        MultiPartException,
        HTTPException,
        FormParserError,
        ValueError,
        KeyError,
        LookupError,
    ) as error:
        detail = getattr(error, "message", "") or getattr(error, "detail", "") or str(error)
        raise Problem.of(
            error_codes.INVALID_DEFINITION,
            "The multipart body is broken",
            detail,
            "Send a complete multipart/form-data body with its boundary.",
        ) from error


def _too_large(most: int) -> Problem:
    return too_large(most, "Send a smaller document, or raise the limit in [apis] of the settings.")


def _capped(request: Request, limit: int):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a Starlette receive callable
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and len(declared) < 20 and int(declared) > limit:
        raise _too_large(limit)
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        seen += len(message.get("body", b""))
        if seen > limit:
            raise _too_large(limit)
        return message

    return receive
