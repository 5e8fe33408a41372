"""The page of an application: its consumer keys, which are made, added and revoked here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import orjson
from starlette.responses import Response

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.console.calling import Refused, read_only
from kapi.front.web.console.console import PageRow, Visit, checked_form
from kapi.front.web.console.editing.answers import JSON, shown_once, to
from kapi.front.web.console.editing.fields import LINES, ON, WORDS, Field, body_of
from kapi.front.web.console.sessions import OPERATOR
from kapi.settings.subscriptions import KEY_TYPES

_FIELD_BYTES: Final = 8192
_TYPE: Final = Field("type", "For the backend", value="PRODUCTION", choices=KEY_TYPES)
_ENVIRONMENT: Final = Field("environment", "Environment", about="Empty: all.")
_GRANTS: Final = Field(
    "grant_types",
    "Grants",
    WORDS,
    "Separated by spaces.",
    "client_credentials",
    required=True,
)
_REDIRECTS: Final = Field("redirect_uris", "Redirect URIs", LINES, "One a line.")
_SCOPE: Final = Field("scope", "Scopes", about="Separated by spaces. Without any: all.")
_CLIENT: Final = (_GRANTS, _REDIRECTS, _SCOPE)
MADE: Final = (*_CLIENT, _TYPE, _ENVIRONMENT)
ADDED: Final = (
    Field(
        "consumerKey",
        "Consumer key",
        about="The client id that its tokens have.",
        required=True,
    ),
    _TYPE,
    _ENVIRONMENT,
)


class ApplicationPages:
    """The pages that show and change one application."""

    def rows(self) -> tuple[PageRow, ...]:
        """The routes of these pages."""
        one = "/applications/{id}"
        return (
            ("GET", one, self.show),
            ("POST", f"{one}/new-key", self.make),
            ("POST", f"{one}/keys", self.add),
            ("GET", f"{one}/revoke", self.ask),
            ("POST", f"{one}/revoke", self.revoke),
        )

    async def show(self, visit: Visit) -> Response:
        """An application with its keys and subscriptions. Raises Refused."""
        return await _page(visit)

    async def make(self, visit: Visit) -> Response:
        """A client of the inbuilt provider, whose id is a key; its secret is shown this once."""
        given = await _given(visit, MADE)
        application = await _application(visit)
        body = {"client_name": application["name"], **body_of(_CLIENT, given)}
        client_id = ""
        try:
            client = await _post(visit, "/api/clients", body)
            client_id = client["client_id"]
            await _add_key(visit, application, {**given, "consumerKey": client_id})
        except Refused as refused:
            if client_id:  # The client exists, but is not a key of the application.
                await visit.apis.call(
                    "DELETE", f"/api/clients/{quote(client_id, safe='')}"
                )
            return await _page(visit, refused, given)
        shown = [("consumer key (client_id)", client_id)]
        if "client_secret" in client:
            shown.append(("consumer secret (client_secret)", client["client_secret"]))
        return shown_once(
            visit, "The consumer key", tuple(shown), _address(application)
        )

    async def add(self, visit: Visit) -> Response:
        """The id of a client, of any trusted issuer, as a key."""
        given = await _given(visit, ADDED)
        application = await _application(visit)
        try:
            await _add_key(visit, application, given)
        except Refused as refused:
            return await _page(visit, refused, given)
        return to(_address(application))

    async def ask(self, visit: Visit) -> Response:
        """Ask before a key is revoked. Raises Refused for a reader."""
        if visit.session.role != OPERATOR:
            raise read_only()
        application = await _application(visit)
        key = visit.request.query_params.get("key", "")
        is_client = await _is_client(visit, key)
        return visit.page(
            "revoke-key.html", application=application, key=key, is_client=is_client
        )

    async def revoke(self, visit: Visit) -> Response:
        """Take the key from the application; if wanted, remove the client too."""
        form = await checked_form(visit, {"key": _FIELD_BYTES, "client": 16})
        application = await _application(visit)
        key = form["key"].text("key") if "key" in form else ""
        if not key:
            raise Problem.of(
                error_codes.NOT_FOUND, detail="The application has no such key."
            )
        path = f"/api/applications/{quote(application['id'], safe='')}/keys"
        await visit.apis.call("DELETE", path, rest=key)
        if "client" in form and form["client"].text("client") == ON:
            await visit.apis.call("DELETE", f"/api/clients/{quote(key, safe='')}")
        return to(_address(application))


async def _given(visit: Visit, fields: tuple[Field, ...]) -> dict[str, str]:
    form = await checked_form(visit, {field.name: _FIELD_BYTES for field in fields})
    return {name: part.text(name) for name, part in form.items()}


async def _application(visit: Visit) -> Mapping[str, Any]:
    """The application of the path. Raises Refused."""
    wanted = quote(visit.request.path_params["id"], safe="")
    found: Mapping[str, Any] = await visit.apis.get(f"/api/applications/{wanted}")
    return found


async def _post(visit: Visit, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = await visit.apis.call(
        "POST", path, body=orjson.dumps(dict(body)), media_type=JSON
    )
    value: Mapping[str, Any] = answer.value
    return value


async def _add_key(
    visit: Visit, application: Mapping[str, Any], given: Mapping[str, str]
) -> None:
    path = f"/api/applications/{quote(application['id'], safe='')}/keys"
    await _post(visit, path, body_of(ADDED, given))


async def _is_client(visit: Visit, key: str) -> bool:
    """Whether a key is a client of the inbuilt provider that may be removed."""
    try:
        found = await visit.apis.get(f"/api/clients/{quote(key, safe='')}")
    except Refused:
        return False
    return bool(found.get("source") == "store")


def _address(application: Mapping[str, Any]) -> str:
    return f"/console/applications/{quote(application['id'], safe='')}"


async def _page(
    visit: Visit, refused: Refused | None = None, given: Mapping[str, str] | None = None
) -> Response:
    """The page, with what was typed and the mistakes."""
    status, problem = 200, None
    if refused is not None:
        status, problem = refused.status, refused.problem
    application = await _application(visit)
    may_change = visit.session.role == OPERATOR and application["source"] != "settings"
    values = {field.name: field.value for field in (*MADE, *ADDED)} | dict(given or {})
    return visit.page(
        "application.html",
        status=status,
        application=application,
        may_change=may_change,
        made=MADE,
        added=ADDED,
        values=values,
        problem=problem,
    )
