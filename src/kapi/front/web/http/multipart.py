"""multipart/form-data of the system APIs (RFC 7578), with limits and an error for each mistake."""

from __future__ import annotations

from collections.abc import Mapping

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.front.web.http.bodies import too_large
from kapi.openapi import MULTIPART

_ROOM_FOR_HEADERS = 64 * 1024
_FIELDS = 16
_BROKEN = (
    MultiPartException,
    HTTPException,
    FormParserError,
    ValueError,
    KeyError,
    LookupError,
)
"""What the parsers raise for a broken body."""


@dataclass(frozen=True, slots=True)
class Part:
    """A field of the form: its bytes, and its file name if it is a file."""

    content: bytes
    file_name: str = ""

    def text(self, field: str) -> str:
        """The content as text, without white space around it. Raises Problem if it is not UTF-8."""
        try:
            return self.content.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise Problem.of(
                error_codes.INVALID_DEFINITION,
                f"{field} is not UTF-8 text",
                hint=f"Send {field} as UTF-8 text.",
            ) from error


async def read_form(request: Request, limits: Mapping[str, int]) -> dict[str, Part]:
    """The fields of the request that `limits` names (field to largest number of bytes).

    Raises Problem: 415 for another media type, 400 for a broken or repeated part, 413 for a part
    that is too large.
    """
    _check_media_type(request)
    # The parser has the limit of all parts: it calls a body with a larger part broken.
    most = sum(limits.values()) + _ROOM_FOR_HEADERS
    limited = Request(request.scope, _capped(request, most))
    try:
        fields = max(_FIELDS, len(limits))
        async with limited.form(
            max_files=16, max_fields=fields, max_part_size=most
        ) as form:
            return await _parts(form, limits)
    except _BROKEN as error:
        detail = (
            getattr(error, "message", "") or getattr(error, "detail", "") or str(error)
        )
        raise Problem.of(
            error_codes.INVALID_DEFINITION,
            "The multipart body is broken",
            detail,
            "Send a complete multipart/form-data body with its boundary.",
        ) from error


def _check_media_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0]
    if media_type.strip().lower() != MULTIPART:
        raise Problem.of(
            error_codes.INVALID_DEFINITION,
            "The body must be multipart/form-data",
            hint="With curl: --form 'name=@file' for each part.",
            status=415,
        )


async def _parts(form: FormData, limits: Mapping[str, int]) -> dict[str, Part]:
    """The parts that `limits` names."""
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
        part = await _part(value)
        if len(part.content) > limits[name]:
            raise _too_large(limits[name])
        parts[name] = part
    return parts


async def _part(value: UploadFile | str) -> Part:
    if isinstance(value, UploadFile):
        return Part(await value.read(), value.filename or "")
    return Part(value.encode())


def _too_large(most: int) -> Problem:
    return too_large(
        most, "Send a smaller document, or raise the limit in [apis] of the settings."
    )


def _capped(request: Request, limit: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
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
