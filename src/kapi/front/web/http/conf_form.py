"""The parts of a request about a conf: the conf and its definition, as files of a form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.requests import Request

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.http.multipart import read_form
from kapi.settings import ApisSettings

CONF: Final = "apkConfiguration"
DEFINITION: Final = "definitionFile"
_TEXT_BYTES: Final = 256


async def conf_and_definition(
    request: Request, settings: ApisSettings, ignored: Iterable[str] = ()
) -> tuple[bytes, bytes]:
    """Both files. `ignored` are fields of text that the request may have.

    Raises Problem: 406 if one is missing, and what `read_form` raises.
    """
    limits = {CONF: settings.max_conf_bytes, DEFINITION: settings.max_definition_bytes}
    form = await read_form(request, limits | dict.fromkeys(ignored, _TEXT_BYTES))
    missing = []
    for name in (CONF, DEFINITION):
        if name not in form:
            missing.append(name)
    if missing:
        raise Problem.of(
            error_codes.INVALID_REQUEST,
            detail=f"missing: {', '.join(missing)}",
            hint=f"Send both parts, {CONF} and {DEFINITION}, as files.",
            status=406,
        )
    return form[CONF].content, form[DEFINITION].content
