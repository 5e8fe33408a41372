"""Who may call (apk-conf `authentication`, `operations[].secured`): OAuth2, JWT and API keys, mandatory or optional.

OAuth2 (RFC 6750 §2), JWT and API keys are alternatives, as in APK: one of them is enough. Each secured route names what it needs
(`trust.py`); a route that names nothing is closed by its virtual host. Credentials that stand elsewhere than in
`Authorization: Bearer` are first moved to one place, and none reaches the backend unless the conf says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kapi.apis.conf import ApiConf, AuthenticationConf, OperationConf
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.rbac import (
    FACTS,
    PRESENT,
    TRUE,
    Principal,
    claim,
    every,
    header,
    holds,
    metadata,
    no,
    per_route,
    rules,
    some,
    text,
)
from kapi.policies.rbac import JWT_FILTER as FILTER
from kapi.policies.trust import (
    API_KEY,
    BEARER,
    MOVED_BEARER,
    MOVED_BEARER_HEADER,
    MOVED_JWT_HEADER,
    MOVED_QUERY_HEADER,
    OPTIONAL,
    RAW_JWT,
    Need,
)

name = "authentication"
phase = Phase.AUTHENTICATE

PER_ROUTE = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig"
MOVE_FILTER = "kapi.filters.http.move"
TOKEN_FILTER = "kapi.filters.http.token"  # noqa: S105 - a filter's name
CALLER_FILTER = "kapi.filters.http.caller"
CLOSED = "closed"
"""A requirement that does not exist: nothing meets it."""
_MUTATION = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
_RBAC = "envoy.extensions.filters.http.rbac.v3.RBAC"
filters = (
    HttpFilter(phase, MOVE_FILTER, {"@type": _MUTATION}, disabled=True),
    HttpFilter(phase, FILTER, discovered="envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"),
    HttpFilter(phase, TOKEN_FILTER, discovered=_RBAC),
    HttpFilter(phase, CALLER_FILTER, {"@type": f"type.googleapis.com/{_RBAC}"}, disabled=True),
)


@dataclass(frozen=True, slots=True)
class Credential:
    """One way to say who is calling. `header` and `query` are names, empty when it is not looked for there."""

    kind: str = "OAuth2"
    header: str = "Authorization"
    query: str = ""
    mandatory: bool = True
    send_to_upstream: bool = False
    audiences: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """An access token in `Authorization: Bearer` and nowhere else."""
        return self.kind == "OAuth2" and self.header.lower() == "authorization" and not self.query


@dataclass(frozen=True, slots=True)
class Authentication:
    """The alternatives of one operation; `required` is false when anybody may call it."""

    policy: ClassVar[str] = name
    required: bool = True
    credentials: tuple[Credential, ...] = (Credential(),)


def compile(conf: ApiConf, operation: OperationConf) -> Authentication:  # noqa: A001 - the verb of the policy contract
    """Every operation gets a node: leaving one out must not decide anything."""
    return Authentication(operation.secured, credentials(conf))


def credentials(conf: ApiConf) -> tuple[Credential, ...]:
    """What the conf accepts; OAuth2 unless it says otherwise."""
    items = conf.authentication
    if conf.authentication_of("OAuth2") is None:
        items = (AuthenticationConf(), *items)
    return tuple(
        Credential(item.auth_type, item.header, item.query, item.required == "mandatory", item.send_token_to_upstream, item.audiences)
        for item in items
        if item.enabled and item.auth_type != "mTLS"
    )


def envoy(node: Authentication, place: Place) -> EnvoyRoute:
    """What the token filter must find, what is checked besides, and what the backend does not see."""
    hidden = tuple(dict.fromkeys(item.header.lower() for item in node.credentials if item.header and not item.send_to_upstream))
    configs: dict[str, dict[str, Any]] = {}
    if moved := _moves(node):
        configs[MOVE_FILTER] = moved
    if not node.required:
        return EnvoyRoute({**configs, FILTER: {"@type": PER_ROUTE, "disabled": True}}, remove_request_headers=hidden)
    need = Need(_kinds(node), place.api.organization, place.api.environment)
    configs[FILTER] = {"@type": PER_ROUTE, "requirement_name": need.name}
    if refused := _refused(node):
        configs[CALLER_FILTER] = per_route(rules(refused))
    return EnvoyRoute(configs, remove_request_headers=hidden)


def _kinds(node: Authentication) -> str:
    found = set()
    for item in node.credentials:
        if item.kind == "OAuth2":
            at_home = item.header.lower() == "authorization"
            found |= ({BEARER} if at_home else set()) | ({MOVED_BEARER} if item.query or (item.header and not at_home) else set())
        else:
            found.add(API_KEY if item.kind == "APIKey" else RAW_JWT)
    if API_KEY in found:
        # An opaque key is no token, so the token filter must let it pass.
        found.add(OPTIONAL)
    return "".join(kind for kind in (BEARER, MOVED_BEARER, RAW_JWT, API_KEY, OPTIONAL) if kind in found)


def _moves(node: Authentication) -> dict[str, Any]:
    """Credentials brought to one place, and taken out of the query."""
    headers: list[dict[str, Any]] = []
    gone: list[str] = []
    for item in node.credentials:
        if item.query and not item.send_to_upstream:
            gone.append(item.query)
        if not node.required or item.kind == "APIKey":
            continue
        if item.kind == "JWT":
            headers += [_from_query(MOVED_JWT_HEADER, item.query)] if item.query else []
            headers += [_from_header(MOVED_JWT_HEADER, item.header)] if item.header else []
        else:
            headers += [_from_query(MOVED_QUERY_HEADER, item.query)] if item.query else []
            moved = item.header and item.header.lower() != "authorization"
            headers += [_from_header(MOVED_BEARER_HEADER, item.header)] if moved else []
    if not headers and not gone:
        return {}
    mutations: dict[str, Any] = {}
    if headers:
        mutations["request_mutations"] = headers
    if gone:
        mutations["query_parameter_mutations"] = [{"remove": parameter} for parameter in gone]
    return {"@type": f"{_MUTATION}PerRoute", "mutations": mutations}


def _from_header(to: str, source: str) -> dict[str, Any]:
    return {"append": {"header": {"key": to, "value": f"%REQ({source})%"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}


def _from_query(to: str, source: str) -> dict[str, Any]:
    return {"append": {"header": {"key": to, "value": f"%QUERY_PARAM({source})%"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}


TOKEN: Principal = claim("iss", PRESENT)
"""Whoever came with an access token."""
KEY: Principal = metadata(FACTS, ("api_key",), TRUE)
"""Whoever came with an API key that is good here."""


def _refused(node: Authentication) -> dict[str, Principal]:
    refused: dict[str, Principal] = {}
    by_kind = {item.kind: item for item in node.credentials}
    if (jwt := by_kind.get("JWT")) and jwt.audiences:
        refused["900901_audience"] = every(_came_raw(), no(_audience(jwt.audiences)))
    if "APIKey" in by_kind:
        others = (TOKEN,) if len(by_kind) > 1 else ()
        refused["900901_api_key"] = every(metadata(FACTS, ("bad_api_key",), TRUE), no(some(KEY, *others)))
        refused["900902_missing"] = no(some(KEY, *others))
    return refused


def _came_raw() -> Principal:
    """A token without a scheme was sent. Under `Authorization` the same header may hold an OAuth2 one."""
    bearer = {"string_match": {"prefix": "bearer ", "ignore_case": True}}
    return every(header(MOVED_JWT_HEADER, {"present_match": True}), no(header(MOVED_JWT_HEADER, bearer)))


def _audience(accepted: tuple[str, ...]) -> Principal:
    return some(*(claim("aud", value) for audience in accepted for value in (text(audience), holds(audience))))
