"""The system API of API keys: `/api/api-keys`. A key is shown once, when it is made.

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
from kapi.front.web.http.access import Access, Row, json_answer, versioned
from kapi.front.web.http.shapes import Member, Rule, Shape, one_of, read_members
from kapi.front.web.operate.auditing import about
from kapi.front.web.system.apis import DEPLOY_SCOPE
from kapi.front.web.system.unknown_apis import Deployed, warnings_of
from kapi.identity.clients.api_keys import ApiKeyIssuer, Wanted
from kapi.store.gateway.api_keys import StoredApiKey

_HINT = 'Send {"apis": [{"name": …, "version": …}]}.'
_LONGEST_LIFETIME = 100 * 365 * 24 * 3600
_MOST_APIS = 1000
_MOST_TEXTS = 100
_TEXT = re.compile(r"[^\x00-\x1f\x7f,]{1,256}")
_MOST_STARS = 8


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and _TEXT.fullmatch(value) is not None


def _is_network(value: str) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return True


def _is_referer(value: str) -> bool:
    return " " not in value and value.count("*") <= _MOST_STARS


def _is_api(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return _is_text(value.get("name")) and _is_text(value.get("version", "*"))


def _text_rule(value: str) -> str:
    if _is_text(value):
        return ""
    return "must be a text of 1 to 256 characters without commas"


def _lifetime_rule(value: int) -> str:
    if 0 <= value <= _LONGEST_LIFETIME:
        return ""
    return "must be a number of seconds, 0 for no expiry"


def _apis_rule(value: list[Any]) -> str:
    if 1 <= len(value) <= _MOST_APIS and all(map(_is_api, value)):
        return ""
    return "must be a list of APIs"


def _texts_rule(usable: Callable[[str], bool]) -> Rule:
    def rule(value: list[Any]) -> str:
        if len(value) > _MOST_TEXTS:
            return f"must be a list of at most {_MOST_TEXTS} texts"
        for item in value:
            if not _is_text(item) or not usable(item):
                return f"contains {str(item)[:64]!r}, which cannot be used"
        return ""

    return rule


_KEY = Shape(
    "api-key",
    error_codes.INVALID_REQUEST,
    {
        "apis": Member(
            list,
            required=True,
            rule=_apis_rule,
            hint='Write [{"name": "Petstore", "version": "1.0.0"}]; "*" means all versions.',
        ),
        "application": Member(str, "default", rule=_text_rule),
        "kind": Member(str, "jwt", rule=one_of("jwt", "opaque")),
        "keyType": Member(str, "PRODUCTION", rule=one_of("PRODUCTION", "SANDBOX")),
        "permittedIP": Member(
            list,
            (),
            rule=_texts_rule(_is_network),
            hint="Networks are written as 192.0.2.0/24 or 2001:db8::/32.",
        ),
        "permittedReferer": Member(
            list,
            (),
            rule=_texts_rule(_is_referer),
            hint="A referer is a URI of at most 256 characters,"
            f" with at most {_MOST_STARS} stars, without spaces and commas.",
        ),
        "lifetime": Member(int, 0, rule=_lifetime_rule),
        "tier": Member(str, "Unlimited", rule=_text_rule),
    },
)


class ApiKeysApi:
    """The endpoints of this API."""

    def __init__(
        self,
        issuer: ApiKeyIssuer,
        access: Access,
        deployed: Deployed,
        in_force: Callable[[], object],
    ) -> None:
        """`in_force` returns when the gateway of this node has the current keys, or gives up."""
        self._issuer = issuer
        self._deployed = deployed
        self._access = access
        self._in_force = in_force

    def routes(self) -> list[Route]:
        """The routes of this API."""
        table: tuple[Row, ...] = (
            ("POST", "/api/api-keys", "", self.create),
            ("GET", "/api/api-keys", "", self.list),
            ("DELETE", "/api/api-keys", "/{id}", self.revoke),
        )
        return versioned(table)

    async def create(self, request: Request) -> Response:
        """A new key for APIs of the caller's organization: JSON with at least `apis`."""
        principal = self._access.principal(request, DEPLOY_SCOPE)
        wanted = _wanted(await read_members(request, _KEY, _HINT))
        subject = principal.subject or principal.client_id
        organization = self._access.organization(principal)
        made = await run_in_threadpool(
            self._issuer.issue, wanted, organization, subject
        )
        about(request, made.key.id)
        if wanted.kind == "opaque":
            await run_in_threadpool(self._in_force)
        warnings = warnings_of(
            (api[0] for api in wanted.apis), self._deployed(organization)
        )
        answer = json_answer({"apiKey": made.text, **_shown(made.key), **warnings}, 201)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def list(self, request: Request) -> Response:
        """The caller's organization's keys."""
        organization = self._access.organization(
            self._access.principal(request, DEPLOY_SCOPE)
        )
        found = await run_in_threadpool(self._issuer.list, organization)
        return json_answer({"apiKeys": list(map(_shown, found))})

    async def revoke(self, request: Request) -> Response:
        """Refuse a key from now on; within a second at the gateway."""
        organization = self._access.organization(
            self._access.principal(request, DEPLOY_SCOPE)
        )
        await run_in_threadpool(
            self._issuer.revoke, request.path_params["id"], organization
        )
        return Response(status_code=204)


def _wanted(body: dict[str, Any]) -> Wanted:
    return Wanted(
        apis=tuple((api["name"], api.get("version", "*")) for api in body["apis"]),
        application=body["application"],
        kind=body["kind"],
        key_type=body["keyType"],
        permitted_ip=tuple(body["permittedIP"]),
        permitted_referer=tuple(body["permittedReferer"]),
        lifetime=body["lifetime"],
        tier=body["tier"],
    )


def _shown(key: StoredApiKey) -> dict[str, Any]:
    claims = key.claims
    return {
        "id": key.id,
        "kind": key.kind,
        "application": claims["application"]["name"],
        "apis": [
            {"name": api["name"], "version": api["version"]}
            for api in claims["subscribedAPIs"]
        ],
        "keyType": claims["keytype"],
        "permittedIP": list(filter(None, claims["permittedIP"].split(","))),
        "permittedReferer": list(filter(None, claims["permittedReferer"].split(","))),
        "createdAt": key.created_at,
        "expiresAt": key.expires_at or None,
        "revoked": key.revoked,
    }
