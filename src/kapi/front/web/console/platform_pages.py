"""The page of what the platform has besides APIs, and the token inspector."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import Response

from kapi.front.web.console.calling import Refused
from kapi.front.web.console.console import PageRow, Visit, checked_form
from kapi.front.web.console.editing.kinds import Kind, is_of_settings, kind_named
from kapi.front.web.console.sessions import OPERATOR
from kapi.front.web.console.token_checks import checks_of
from kapi.identity.issuers.verify import IssuerKeys
from kapi.jose.jwt import InvalidJwt, Jwt, parse_jwt

_LISTS: Final = (
    ("Issuers", "issuers", ("name", "issuer", "preset", "organizations", "declaredIn")),
    ("Signing keys", "keys", ("kid", "algorithm", "state", "createdAt", "dueAt")),
    (
        "Clients",
        "clients",
        ("client_id", "client_name", "grant_types", "scope", "source"),
    ),
    (
        "Users",
        "users",
        ("username", "organizations", "groups", "disabled", "super_admin", "source"),
    ),
    ("Applications", "applications", ("name", "id", "tier")),
    (
        "Subscriptions",
        "subscriptions",
        ("id", "application", "api", "version", "status", "tier"),
    ),
    (
        "API keys",
        "api-keys",
        (
            "id",
            "application",
            "apis",
            "kind",
            "keyType",
            "createdAt",
            "expiresAt",
            "revoked",
        ),
    ),
    ("Nodes", "nodes", ("name", "version", "alive", "change")),
)
"""Title, name of the system API, columns."""
_MEMBERS: Final = {"api-keys": "apiKeys"}
"""The member of an answer that is the list, where it has another name than the API."""
_MOST_ROWS: Final = 500
_TOKEN_BYTES: Final = 32 * 1024


class PlatformPages:
    """The pages. They read only."""

    def __init__(self, issuers: Callable[[], Sequence[IssuerKeys]]) -> None:
        """`issuers` returns the issuers that the system APIs trust, the inbuilt provider too."""
        self._issuers = issuers

    def rows(self) -> tuple[PageRow, ...]:
        """The routes of these pages."""
        return (
            ("GET", "/platform", self.lists),
            ("GET", "/token", self.form),
            ("POST", "/token", self.inspect),
        )

    async def lists(self, visit: Visit) -> Response:
        """Each list that the person may read."""
        shown = []
        for title, name, columns in _LISTS:
            try:
                found = (await visit.apis.get(f"/api/{name}"))[_MEMBERS.get(name, name)]
            except Refused as refused:
                if refused.status not in {403, 404}:
                    raise
                continue
            kind = None
            if visit.session.role == OPERATOR:
                kind = kind_named(name)
            rows = [_row(item, columns, kind) for item in found[:_MOST_ROWS]]
            shown.append(
                {
                    "title": title,
                    "name": name,
                    "columns": columns,
                    "rows": rows,
                    "count": len(found),
                    "kind": kind,
                }
            )
        return visit.page("platform.html", lists=shown)

    async def form(self, visit: Visit) -> Response:
        """The form for a token."""
        return visit.page("token.html", steps=(), parts=())

    async def inspect(self, visit: Visit) -> Response:
        """What a token is, and each check of it. It is neither stored nor logged."""
        form = await checked_form(visit, {"jwt": _TOKEN_BYTES})
        text = form["jwt"].text("jwt") if "jwt" in form else ""
        try:
            jwt = parse_jwt(text)
        except InvalidJwt:
            steps = checks_of(text, ())
            return visit.page("token.html", steps=steps, parts=(), status=400)
        return visit.page(
            "token.html", steps=checks_of(text, self._issuers()), parts=_parts(jwt)
        )


def _row(
    item: Mapping[str, Any], columns: Sequence[str], kind: Kind | None
) -> tuple[tuple[str, ...], str, tuple[tuple[str, str], ...]]:
    """The cells of an object, its identifier, and the pages that change it."""
    cells = tuple(_text(column, item.get(column)) for column in columns)
    if kind is None:
        return cells, "", ()
    identifier = str(item.get(kind.key))
    return cells, identifier, tuple(_links(item, kind, identifier))


def _links(
    item: Mapping[str, Any], kind: Kind, identifier: str
) -> Iterator[tuple[str, str]]:
    """Address and title of each page."""
    wanted = quote(identifier, safe="")
    if kind.name == "applications":
        yield f"/console/applications/{wanted}", "Keys"
    if kind.changes and not is_of_settings(item):
        yield f"/console/change/{kind.name}?id={wanted}", "Change"
    for action in kind.actions_of(item):
        yield f"/console/edit/{kind.name}/{action.name}?id={wanted}", action.title


def _parts(jwt: Jwt) -> tuple[tuple[str, str], ...]:
    return (("Header", _indented(jwt.header)), ("Claims", _indented(jwt.claims)))


def _indented(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), indent=2, ensure_ascii=False)


def _text(column: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return ("no", "yes")[value]
    if column.endswith("At") and isinstance(value, int):
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(value))
    if isinstance(value, list):
        return ", ".join(_text(column, item) for item in value)
    if isinstance(value, Mapping):
        return " ".join(map(str, value.values()))
    return str(value)
