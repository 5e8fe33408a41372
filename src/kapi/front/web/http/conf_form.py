"""The parts of a request about a conf: the conf and its definition, as files of a form."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Final

from starlette.requests import Request

from kapi import error_codes
from kapi.apis.model.choices import (
    API_TYPE,
    DEPLOYMENT_CHOICES,
    Choices,
    Wanted,
)
from kapi.errors import Problem
from kapi.front.web.http.multipart import Part, read_form
from kapi.settings import ApisSettings

CONF: Final = "apkConfiguration"
DEFINITION: Final = "definitionFile"
_URLS: Final = ("endpoint", "sandboxEndpoint")
TEXT_BYTES: Final = 256
URL_BYTES: Final = 2048


async def conf_and_definition(
    request: Request, settings: ApisSettings, ignored: Iterable[str] = ()
) -> tuple[bytes, bytes]:
    """Both files. `ignored` are fields of text that the request may have.

    Raises Problem: 406 if one is missing, and what `read_form` raises.
    """
    form = await _form(request, settings, dict.fromkeys(ignored, TEXT_BYTES))
    _refuse_missing(form, (CONF, DEFINITION))
    return form[CONF].content, form[DEFINITION].content


async def deployed_files(
    request: Request, settings: ApisSettings
) -> tuple[bytes | Wanted, bytes]:
    """Both files; or, where `apiType` is sent instead of a conf, what one is generated with.

    Raises Problem as `conf_and_definition`.
    """
    texts = dict.fromkeys((API_TYPE, *DEPLOYMENT_CHOICES), TEXT_BYTES)
    form = await _form(request, settings, texts | dict.fromkeys(_URLS, URL_BYTES))
    if CONF in form or API_TYPE not in form:
        _refuse_missing(form, (CONF, DEFINITION))
        return form[CONF].content, form[DEFINITION].content
    _refuse_missing(form, (DEFINITION,))
    definition = form[DEFINITION]
    file_name = definition.file_name.rpartition("/")[2]
    choices = chosen(form, DEPLOYMENT_CHOICES)
    wanted = Wanted(form[API_TYPE].text(API_TYPE), file_name, choices)
    return wanted, definition.content


def chosen(form: Mapping[str, Part], fields: Mapping[str, str]) -> Choices:
    """What the parts of a form say in place of the definition; `fields` leads to `Choices`."""
    found = {}
    for part, name in fields.items():
        if part in form:
            found[name] = form[part].text(part)
    return Choices(**found)


async def _form(
    request: Request, settings: ApisSettings, texts: Mapping[str, int]
) -> dict[str, Part]:
    limits = {CONF: settings.max_conf_bytes, DEFINITION: settings.max_definition_bytes}
    return await read_form(request, {**limits, **texts})


def _refuse_missing(form: Container[str], names: Iterable[str]) -> None:
    missing = []
    for name in names:
        if name not in form:
            missing.append(name)
    if missing:
        raise Problem.of(
            error_codes.INVALID_REQUEST,
            detail=f"missing: {', '.join(missing)}",
            hint=f"Send both parts, {CONF} and {DEFINITION}, as files.",
            status=406,
        )
