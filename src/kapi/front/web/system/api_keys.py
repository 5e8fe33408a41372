"""The system API of API keys: `/api/api-keys`. A key is shown once, when it is made. Called by `app.py`.

POST makes one, GET lists them without their secrets, DELETE `/api/api-keys/<id>` revokes one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Diagnostic, Invalid
from kapi.front.web.http.access import Access, Row, json_answer, versioned
from kapi.front.web.http.bodies import read_json_body
from kapi.front.web.system.apis import DEPLOY_SCOPE
from kapi.identity.clients.api_keys import ApiKeyIssuer, Wanted
from kapi.store.api_keys import StoredApiKey

_HINT = 'Send {"apis": [{"name": …, "version": …}]}.'
_LONGEST_LIFETIME = 100 * 365 * 24 * 3600
_TEXT = re.compile(r"[^\x00-\x1f\x7f,]{1,256}")
_MOST_STARS = 8
_NETWORKS = "Networks are written as 192.0.2.0/24 or 2001:db8::/32."
_REFERERS = f"A referer is a URI of at most 256 characters, with at most {_MOST_STARS} stars, without spaces and commas."
_FIELDS = (
    "apis",
    "application",
    "kind",
    "keyType",
    "permittedIP",
    "permittedReferer",
    "lifetime",
    "tier",
)


class ApiKeysApi:
    """The endpoints, bound to what they need."""

    def __init__(self, issuer: ApiKeyIssuer, access: Access) -> None:
        self._issuer = issuer
        self._access = access

    def routes(self) -> list[Route]:
        """The one page of paths."""
        table: tuple[Row, ...] = (
            ("POST", "/api/api-keys", "", self.create),
            ("GET", "/api/api-keys", "", self.list),
            ("DELETE", "/api/api-keys", "/{id}", self.revoke),
        )
        return versioned(table)

    async def create(self, request: Request) -> Response:
        """A new key for APIs of the caller's organization: JSON with `apis` and, if wanted, the other fields."""
        principal = self._access.principal(request, DEPLOY_SCOPE)
        wanted = read_wanted(await read_json_body(request, _HINT))
        subject = principal.subject or principal.client_id
        made = await run_in_threadpool(
            self._issuer.issue, wanted, self._access.organization(principal), subject
        )
        answer = json_answer({"apiKey": made.text, **_shown(made.key)}, 201)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def list(self, request: Request) -> Response:
        """The caller's organization's keys."""
        organization = self._access.organization(self._access.principal(request, DEPLOY_SCOPE))
        found = await run_in_threadpool(self._issuer.list, organization)
        return json_answer({"apiKeys": [_shown(key) for key in found]})

    async def revoke(self, request: Request) -> Response:
        """Refuse a key from now on; within a second at the gateway."""
        organization = self._access.organization(self._access.principal(request, DEPLOY_SCOPE))
        await run_in_threadpool(self._issuer.revoke, request.path_params["id"], organization)
        return Response(status_code=204)


def read_wanted(body: dict[str, Any]) -> Wanted:
    """What the body asks for. Raises Invalid with every mistake."""
    reader = _Reader(body)
    wanted = reader.read()
    if reader.mistakes:
        raise Invalid(tuple(reader.mistakes), error_codes.INVALID_REQUEST)
    return wanted


class _Reader:
    """Reads the fields, and gathers the mistakes."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self.mistakes = [
            _mistake(f"#/{name}", f"unknown field {name[:64]}", f"Known: {', '.join(_FIELDS)}.")
            for name in body
            if name not in _FIELDS
        ]

    def read(self) -> Wanted:
        lifetime = self._body.get("lifetime", 0)
        if (
            isinstance(lifetime, bool)
            or not isinstance(lifetime, int)
            or not 0 <= lifetime <= _LONGEST_LIFETIME
        ):
            self._wrong("lifetime", "must be a number of seconds, 0 for no expiry")
            lifetime = 0
        return Wanted(
            apis=self._apis(),
            application=self._text("application", "default"),
            kind=self._choice("kind", ("jwt", "opaque")),
            key_type=self._choice("keyType", ("PRODUCTION", "SANDBOX")),
            permitted_ip=self._texts("permittedIP", _is_network, _NETWORKS),
            permitted_referer=self._texts("permittedReferer", _is_referer, _REFERERS),
            lifetime=lifetime,
            tier=self._text("tier", "Unlimited"),
        )

    def _wrong(self, name: str, message: str, hint: str = "") -> None:
        self.mistakes.append(_mistake(f"#/{name}", f"{name} {message}", hint))

    def _apis(self) -> tuple[tuple[str, str], ...]:
        items = self._body.get("apis")
        made = []
        for item in items if isinstance(items, list) and len(items) <= 1000 else []:
            name, version = (
                (item.get("name"), item.get("version", "*"))
                if isinstance(item, dict)
                else (None, None)
            )
            if (
                isinstance(name, str)
                and isinstance(version, str)
                and _TEXT.fullmatch(name)
                and _TEXT.fullmatch(version)
            ):
                made.append((name, version))
        if not made or not isinstance(items, list) or len(made) != len(items):
            self._wrong(
                "apis",
                "must be a list of APIs",
                'Write [{"name": "Petstore", "version": "1.0.0"}]; "*" means every one.',
            )
        return tuple(made)

    def _text(self, name: str, default: str) -> str:
        value = self._body.get(name, default)
        if isinstance(value, str) and _TEXT.fullmatch(value):
            return value
        self._wrong(name, "must be a text of 1 to 256 characters without commas")
        return default

    def _choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self._body.get(name, choices[0])
        if value in choices:
            return str(value)
        self._wrong(name, "is not known", f"Known: {', '.join(choices)}.")
        return choices[0]

    def _texts(self, name: str, good: Callable[[str], bool], hint: str) -> tuple[str, ...]:
        value = self._body.get(name, [])
        if not isinstance(value, list) or len(value) > 100:
            self._wrong(name, "must be a list of at most 100 texts")
            return ()
        bad = [
            item
            for item in value
            if not (isinstance(item, str) and _TEXT.fullmatch(item) and good(item))
        ]
        if bad:
            self._wrong(name, f"holds {str(bad[0])[:64]!r}, which cannot be used", hint)
        return tuple(item for item in value if item not in bad)


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_referer(text: str) -> bool:
    return " " not in text and text.count("*") <= _MOST_STARS


def _mistake(pointer: str, message: str, hint: str = "") -> Diagnostic:
    return Diagnostic(
        "api-key", message, hint or "/openapi.html on this host describes it.", pointer
    )


def _shown(key: StoredApiKey) -> dict[str, Any]:
    claims = key.claims
    return {
        "id": key.id,
        "kind": key.kind,
        "application": claims["application"]["name"],
        "apis": [
            {"name": api["name"], "version": api["version"]} for api in claims["subscribedAPIs"]
        ],
        "keyType": claims["keytype"],
        "permittedIP": [item for item in claims["permittedIP"].split(",") if item],
        "permittedReferer": [item for item in claims["permittedReferer"].split(",") if item],
        "createdAt": key.created_at,
        "expiresAt": key.expires_at or None,
        "revoked": key.revoked,
    }
