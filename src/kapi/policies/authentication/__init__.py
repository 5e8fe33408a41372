"""Who may call (apk-conf `authentication`, `operations[].secured`): OAuth2, JWT, API keys and client certificates.

OAuth2 (RFC 6750 §2), JWT and API keys are alternatives, as in APK: one of them is enough. Each secured route names what it needs
(`trust.py`); a route that names nothing is closed by its virtual host. Credentials that stand elsewhere than in
`Authorization: Bearer` are first moved to one place, and none reaches the backend unless the conf says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from kapi.apis.conf.model import ApiConf, OperationConf
from kapi.apis.ir import ClientCertificates, SecretRef
from kapi.policies.authentication import conf as in_conf
from kapi.policies.authentication.certificates import CHECK
from kapi.policies.authentication.certificates import FILTER as CERTIFICATE_FILTER
from kapi.policies.authentication.certificates import per_route as certificate_route
from kapi.policies.authentication.challenge import METADATA as CHALLENGE
from kapi.policies.authentication.challenge import challenge
from kapi.policies.authentication.conf import item_of, methods, needs_caller
from kapi.policies.authentication.dpop import CHECK as DPOP_CHECK
from kapi.policies.authentication.dpop import FILTER as DPOP_FILTER
from kapi.policies.authentication.dpop import HEADER as DPOP_HEADER
from kapi.policies.authentication.dpop import per_route as dpop_route
from kapi.policies.authentication.trust import (
    API_KEY,
    BEARER,
    DPOP,
    MOVED_BEARER,
    MOVED_BEARER_HEADER,
    MOVED_JWT_HEADER,
    MOVED_QUERY_HEADER,
    OPTIONAL,
    RAW_JWT,
    Need,
)
from kapi.policies.callers.rbac import (
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
from kapi.policies.callers.rbac import JWT_FILTER as FILTER
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.lua import script

name = "authentication"
phase = Phase.AUTHENTICATE
conf_part = in_conf.conf_part

PER_ROUTE = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig"
CREDENTIALS_FILTER = "kapi.filters.http.credentials"
"""Also the name of its ECDS resource: its script holds the digests of opaque API keys."""
KEY_CLAIMS_FILTER = "kapi.filters.http.key_claims"
MOVE_FILTER = "kapi.filters.http.move"
CLAIMS_FILTER = "kapi.filters.http.claims"
CLAIM_HEADERS_FILTER = "kapi.filters.http.claim_headers"
TOKEN_FILTER = "kapi.filters.http.token"  # noqa: S105 - a filter's name
CALLER_FILTER = "kapi.filters.http.caller"
CLOSED = "closed"
"""A requirement that does not exist: nothing meets it."""
_MUTATION = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
_KEY_CLAIMS = script("key_rules", "key_claims")
_RBAC = "envoy.extensions.filters.http.rbac.v3.RBAC"
filters = (
    HttpFilter(
        phase,
        CLAIM_HEADERS_FILTER,
        discovered="envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        stands_by=True,
    ),
    HttpFilter(phase, MOVE_FILTER, {"@type": _MUTATION}, disabled=True),
    HttpFilter(
        phase,
        CREDENTIALS_FILTER,
        discovered="envoy.extensions.filters.http.lua.v3.Lua",
        disabled=True,
    ),
    HttpFilter(
        phase, FILTER, discovered="envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
    ),
    HttpFilter(
        phase,
        CLAIMS_FILTER,
        discovered="envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        stands_by=True,
    ),
    DPOP_CHECK,
    HttpFilter(phase, TOKEN_FILTER, discovered=_RBAC),
    HttpFilter(
        phase,
        KEY_CLAIMS_FILTER,
        {
            "@type": _LUA,
            "clear_route_cache": False,
            "default_source_code": {"inline_string": _KEY_CLAIMS},
        },
        disabled=True,
    ),
    CHECK,
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
    dpop: Literal["", "optional", "mandatory"] = ""
    """Whether tokens bound to a key are taken with a proof, or nothing else."""

    @property
    def hidden(self) -> tuple[str, ...]:
        """Headers that the backend does not see, in small letters."""
        if self.send_to_upstream:
            return ()
        return (
            *((self.header.lower(),) if self.header else ()),
            *((DPOP_HEADER,) if self.dpop else ()),
        )

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
    certificates: ClientCertificates | None = None

    @property
    def needs_credential(self) -> bool:
        """Whether a certificate alone is not enough."""
        return bool(self.credentials) and (
            self.certificates is None or any(item.mandatory for item in self.credentials)
        )


def compile(conf: ApiConf, operation: OperationConf) -> Authentication:  # noqa: A001 - the verb of the policy contract
    """Every operation gets a node: leaving one out must not decide anything."""
    mtls = item_of(conf, "mTLS")
    certificates = None
    if mtls and mtls.enabled and operation.secured:
        refs = tuple(SecretRef(item.name, item.key, mtls.mark) for item in mtls.certificates)
        certificates = ClientCertificates(mtls.required == "mandatory", refs)
    return Authentication(needs_caller(conf, operation), credentials(conf), certificates)


def credentials(conf: ApiConf) -> tuple[Credential, ...]:
    """What the conf accepts; OAuth2 unless it says otherwise."""
    return tuple(
        Credential(
            *(
                item.auth_type,
                item.header,
                item.query,
                item.required == "mandatory",
                item.send_token_to_upstream,
                item.audiences,
            ),
            dpop=item.dpop,
        )
        for item in methods(conf)
        if item.enabled and item.auth_type != "mTLS"
    )


def envoy(node: Authentication, place: Place) -> EnvoyRoute:
    """What the token filter must find, what is checked besides, and what the backend does not see."""
    hidden = tuple(dict.fromkeys(name for item in node.credentials for name in item.hidden))
    configs: dict[str, dict[str, Any]] = {}
    if taken := _taken_from_query(node, place):
        configs[CREDENTIALS_FILTER] = {"@type": f"{_LUA}PerRoute", "filter_context": taken}
    if not node.required:
        # Nothing is checked here, so a backend may check credentials of its own in the header that both would use.
        kept = tuple(name for name in hidden if name != "authorization")
        return EnvoyRoute(
            {**configs, FILTER: {"@type": PER_ROUTE, "disabled": True}}, remove_request_headers=kept
        )
    if moved := _moves(node):
        configs[MOVE_FILTER] = {
            "@type": f"{_MUTATION}PerRoute",
            "mutations": {"request_mutations": moved},
        }
    if node.credentials:
        need = Need(_kinds(node), place.api.organization, place.api.environment)
        configs[FILTER] = {"@type": PER_ROUTE, "requirement_name": need.name}
    else:
        configs[FILTER] = {"@type": PER_ROUTE, "disabled": True}
    dpop = next((item.dpop for item in node.credentials if item.dpop), "")
    if dpop:
        configs[DPOP_FILTER] = dpop_route(place, mandatory=dpop == "mandatory")
    if node.certificates:
        pems = [place.secret(ref) or "" for ref in node.certificates.accepted]
        configs[CERTIFICATE_FILTER] = certificate_route(pems, place)
    if any(item.kind == "APIKey" for item in node.credentials):
        configs[KEY_CLAIMS_FILTER] = {"@type": f"{_LUA}PerRoute", "filter_context": _api(place)}
    if refused := _refused(node):
        configs[CALLER_FILTER] = per_route(rules(refused))
    asked = challenge(place, dpop, tokens=any(item.kind != "APIKey" for item in node.credentials))
    return EnvoyRoute(configs, remove_request_headers=hidden, metadata={CHALLENGE: asked})


def _api(place: Place) -> dict[str, Any]:
    """What an API key is checked against."""
    api = place.api
    key_type = "SANDBOX" if place.sandbox else "PRODUCTION"
    return {
        "organization": api.organization,
        "name": api.name,
        "version": api.version,
        "key_type": key_type,
    }


def _kinds(node: Authentication) -> str:
    found = set()
    for item in node.credentials:
        if item.kind == "OAuth2":
            at_home = item.header.lower() == "authorization"
            found |= {DPOP} if item.dpop else set()
            found |= ({BEARER} if at_home else set()) | (
                {MOVED_BEARER} if item.query or (item.header and not at_home) else set()
            )
        else:
            found.add(API_KEY if item.kind == "APIKey" else RAW_JWT)
    if API_KEY in found or not node.needs_credential:
        # An opaque key is no token, and with a certificate none may be needed: the token filter must let both pass.
        found.add(OPTIONAL)
    return "".join(
        kind for kind in (BEARER, DPOP, MOVED_BEARER, RAW_JWT, API_KEY, OPTIONAL) if kind in found
    )


def _moves(node: Authentication) -> list[dict[str, Any]]:
    """Tokens in other headers, brought to one place."""
    found = [
        (MOVED_JWT_HEADER if item.kind == "JWT" else MOVED_BEARER_HEADER, item.header)
        for item in node.credentials
        if item.header
        and (
            item.kind == "JWT" or (item.kind == "OAuth2" and item.header.lower() != "authorization")
        )
    ]
    action = {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return [
        {"append": {"header": {"key": to, "value": f"%REQ({source})%"}, **action}}
        for to, source in found
    ]


def _taken_from_query(node: Authentication, place: Place) -> dict[str, Any]:
    """What the script before the token filter does: tokens out of the query, and API keys.

    Envoy's own change of a query would decode the parameters that stay.
    """
    places: list[dict[str, Any]] = []
    for item in node.credentials:
        if item.query:
            to = (
                {"OAuth2": MOVED_QUERY_HEADER, "JWT": MOVED_JWT_HEADER}.get(item.kind)
                if node.required
                else None
            )
            places.append(
                {
                    "name": item.query,
                    **({"to": to} if to else {}),
                    **({"keep": True} if item.send_to_upstream else {}),
                }
            )
    key = next((item for item in node.credentials if item.kind == "APIKey" and node.required), None)
    context: dict[str, Any] = {"query": places} if places else {}
    if key:
        header_name = {"key_header": key.header.lower()} if key.header else {}
        context |= {
            "api_key": True,
            **_api(place),
            **header_name,
            **({"key_query": key.query} if key.query else {}),
        }
    return context


TOKEN: Principal = claim("iss", PRESENT)
"""Whoever came with an access token."""
KEY: Principal = metadata(FACTS, ("api_key",), TRUE)
"""Whoever came with an API key that is good here."""
BAD_KEY: Principal = metadata(FACTS, ("bad_api_key",), TRUE)
FORBIDDEN_KEY: Principal = metadata(FACTS, ("forbidden_api_key",), TRUE)
CERTIFICATE: Principal = metadata(FACTS, ("certificate",), TRUE)
"""Whoever came with a client certificate that is good here."""
BAD_CERTIFICATE: Principal = metadata(FACTS, ("bad_certificate",), TRUE)


def _refused(node: Authentication) -> dict[str, Principal]:
    refused: dict[str, Principal] = {}
    by_kind = {item.kind: item for item in node.credentials}
    good = [
        *((KEY,) if "APIKey" in by_kind else ()),
        *((TOKEN,) if by_kind.keys() - {"APIKey"} else ()),
    ]
    if (jwt := by_kind.get("JWT")) and jwt.audiences:
        refused["900901_audience"] = every(_came_raw(), no(_audience(jwt.audiences)))
    if node.certificates:
        # Like a bad token, whatever else came with it.
        refused["900901_certificate"] = BAD_CERTIFICATE
    if node.certificates and node.certificates.mandatory:
        refused["900902_certificate"] = no(some(CERTIFICATE, BAD_CERTIFICATE))
    elif node.certificates and not node.needs_credential:
        good.append(CERTIFICATE)
        refused["900902_missing"] = no(some(*good, FORBIDDEN_KEY))
    if "APIKey" in by_kind:
        refused["900901_api_key"] = every(BAD_KEY, no(some(*good)))
        refused["900908_api_key"] = every(FORBIDDEN_KEY, no(some(*good)))
        if node.needs_credential:
            refused["900902_missing"] = no(some(*good, FORBIDDEN_KEY))
    return refused


def _came_raw() -> Principal:
    """A token without a scheme was sent. Under `Authorization` the same header may hold an OAuth2 one."""
    bearer = {"string_match": {"prefix": "bearer ", "ignore_case": True}}
    return every(
        header(MOVED_JWT_HEADER, {"present_match": True}), no(header(MOVED_JWT_HEADER, bearer))
    )


def _audience(accepted: tuple[str, ...]) -> Principal:
    return some(
        *(
            claim("aud", value)
            for audience in accepted
            for value in (text(audience), holds(audience))
        )
    )
