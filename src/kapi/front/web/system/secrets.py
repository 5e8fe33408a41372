"""The system API of named secrets: `/api/secrets`. No answer contains a value.

GET lists names and keys; PUT `/api/secrets/<name>/<key>` with the value as the body sets one;
DELETE removes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.http.access import Access, Row, json_answer, versioned
from kapi.front.web.http.bodies import read_body
from kapi.front.web.http.preconditions import guarded, tag_of
from kapi.front.web.system.apis import DEPLOY_SCOPE
from kapi.gateway.secrets import NamedSecrets

SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


class SecretsApi:
    """The endpoints of this API."""

    def __init__(self, secrets: NamedSecrets, access: Access) -> None:
        self._secrets = secrets
        self._access = access

    def routes(self) -> list[Route]:
        """The routes of this API."""
        table: tuple[Row, ...] = (
            ("GET", "/api/secrets", "", self.list),
            ("PUT", "/api/secrets", "/{name}/{key}", self.put),
            ("DELETE", "/api/secrets", "/{name}/{key}", self.delete),
        )
        return versioned(table)

    async def list(self, request: Request) -> Response:
        """The names and keys of the caller's organization."""
        organization = self._organization(request)
        found = await run_in_threadpool(self._secrets.list, organization)
        return json_answer({"secrets": list(map(asdict, found))})

    async def put(self, request: Request) -> Response:
        """Set a value: UTF-8 text of at most 64 KiB. It is in use when the response is sent."""
        organization, (name, key) = self._organization(request), _names(request)
        content = await read_body(request)
        try:
            value = content.decode("utf-8")
        except UnicodeDecodeError:
            raise Problem.of(
                error_codes.INVALID_REQUEST,
                "the value is not UTF-8 text",
                hint="Encode binary values, such as in PEM form.",
            ) from None
        fault = value_fault(value)
        if fault:
            hint = "Send the value as the body."
            raise Problem.of(
                error_codes.INVALID_REQUEST, f"the value {fault}", hint=hint
            )
        tag = self._tag(organization, name, key)
        await guarded(request, tag, self._secrets.set, organization, name, key, value)
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        """Remove a secret that no API uses."""
        organization, (name, key) = self._organization(request), _names(request)
        tag = self._tag(organization, name, key)
        await guarded(request, tag, self._secrets.remove, organization, name, key)
        return Response(status_code=204)

    def _tag(self, organization: str, name: str, key: str) -> Callable[[], str]:
        """Reads the tag of a secret. No answer contains it: `*` is all that can match."""

        def tag() -> str:
            for item in self._secrets.list(organization):
                if (item.name, item.key) == (name, key):
                    return tag_of({"name": name, "key": key})
            return ""

        return tag

    def _organization(self, request: Request) -> str:
        return self._access.organization(self._access.principal(request, DEPLOY_SCOPE))


def value_fault(value: str) -> str:
    """What is wrong with the text of a secret; empty if nothing is."""
    if not value or "\x00" in value:
        return "is empty or has a null character"
    return ""


def _names(request: Request) -> tuple[str, str]:
    name, key = request.path_params["name"], request.path_params["key"]
    if not SECRET_NAME.fullmatch(name) or not SECRET_NAME.fullmatch(key):
        raise Problem.of(
            error_codes.INVALID_REQUEST,
            "name and key of a secret",
            hint="Use letters, digits, `.`, `_` and `-`, at most 253.",
        )
    return name, key
