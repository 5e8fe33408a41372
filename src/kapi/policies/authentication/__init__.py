"""Who may call (apk-conf `authentication`, `operations[].secured`): tokens, keys, certificates.

OAuth2 (RFC 6750 §2), JWT and API keys are alternatives, as in APK: one of them is enough. Each
secured route names what it needs (`trust.py`); a route that names nothing is closed by its virtual
host. Credentials that are elsewhere than in `Authorization: Bearer` are first moved to one place,
and none reaches the backend unless the conf says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kapi.apis.ir import ClientCertificates, SecretRef
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.policies.authentication import conf as in_conf
from kapi.policies.authentication import on_kubernetes, protocols
from kapi.policies.authentication.certificates import CHECK
from kapi.policies.authentication.certificates import FILTER as CERTIFICATE_FILTER
from kapi.policies.authentication.certificates import per_route as certificate_route
from kapi.policies.authentication.challenge import METADATA as CHALLENGE
from kapi.policies.authentication.challenge import challenge
from kapi.policies.authentication.conf import (
    AuthenticationConf,
    item_of,
    methods,
    needs_caller,
)
from kapi.policies.authentication.dpop import CHECK as DPOP_CHECK
from kapi.policies.authentication.dpop import FILTER as DPOP_FILTER
from kapi.policies.authentication.dpop import per_route as dpop_route
from kapi.policies.authentication.node import NAME, Authentication, Credential
from kapi.policies.authentication.refused import refused
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
from kapi.policies.authentication.unchecked import CLAIMS_FILTER, TOKEN_FILTER, no_token
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute
from kapi.policies.lua import script
from kapi.policies.rbac import JWT_FILTER as FILTER
from kapi.policies.rbac import per_route, rules
from kapi.policies.streams.conf import is_web_socket

name = NAME
phase = Phase.AUTHENTICATE
conf_part = in_conf.conf_part

PER_ROUTE = (
    "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig"
)
CREDENTIALS_FILTER = "kapi.filters.http.credentials"
"""Also the name of its ECDS resource: its script holds the digests of opaque API keys."""
KEY_CLAIMS_FILTER = "kapi.filters.http.key_claims"
MOVE_FILTER = "kapi.filters.http.move"
CLAIM_HEADERS_FILTER = "kapi.filters.http.claim_headers"
CALLER_FILTER = "kapi.filters.http.caller"
_BOUND = ("MCP",)
"""Types whose tokens must be for the API (MCP 2025-06-18 and later, authorization)."""
CLOSED = "closed"
"""A requirement that does not exist: nothing meets it."""
_KINDS = (BEARER, DPOP, MOVED_BEARER, RAW_JWT, API_KEY, OPTIONAL)
"""In the order in which the name of a requirement has them."""
_QUERY_HEADERS = {"OAuth2": MOVED_QUERY_HEADER, "JWT": MOVED_JWT_HEADER}
"""Kind of credential → the header to which it is moved from the query."""
_MUTATION = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
_KEY_CLAIMS = script("key_rules", "key_claims")
_RBAC = "envoy.extensions.filters.http.rbac.v3.RBAC"
filters = (
    HttpFilter(
        phase,
        CLAIM_HEADERS_FILTER,
        discovered="envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        placeholder=True,
    ),
    HttpFilter(phase, MOVE_FILTER, {"@type": _MUTATION}, disabled=True),
    HttpFilter(
        phase,
        CREDENTIALS_FILTER,
        discovered="envoy.extensions.filters.http.lua.v3.Lua",
        disabled=True,
    ),
    HttpFilter(
        phase,
        FILTER,
        discovered="envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
    ),
    HttpFilter(
        phase,
        CLAIMS_FILTER,
        discovered="envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        placeholder=True,
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
    HttpFilter(
        phase, CALLER_FILTER, {"@type": f"type.googleapis.com/{_RBAC}"}, disabled=True
    ),
)


def compile(conf: ApiConf, operation: OperationConf) -> Authentication:
    """Every operation gets a node: leaving one out must not decide anything."""
    mtls = item_of(conf, "mTLS")
    certificates = None
    if mtls and mtls.enabled and operation.secured:
        refs = tuple(
            SecretRef(item.name, item.key, mtls.mark) for item in mtls.certificates
        )
        certificates = ClientCertificates(mtls.required == "mandatory", refs)
    accepted = credentials(conf)
    if is_web_socket(operation):
        # A proof of possession is made for a header, which browsers cannot send.
        accepted = tuple(replace(item, protocol=not item.dpop) for item in accepted)
    bound = conf.type in _BOUND
    return Authentication(
        needs_caller(conf, operation), accepted, certificates, bound=bound
    )


def credentials(conf: ApiConf) -> tuple[Credential, ...]:
    """What the conf accepts; OAuth2 unless it says otherwise."""
    found = []
    for item in methods(conf):
        if item.enabled and item.auth_type != "mTLS":
            found.append(_credential(item))
    return tuple(found)


def _credential(item: AuthenticationConf) -> Credential:
    return Credential(
        item.auth_type,
        item.header,
        item.query,
        item.required == "mandatory",
        item.send_token_to_upstream,
        item.audiences,
        dpop=item.dpop,
    )


def envoy(node: Authentication, place: Place) -> EnvoyRoute:
    """What the token filter must find, what else is checked, and what the backend does not see."""
    hidden = tuple(
        dict.fromkeys(name for item in node.credentials for name in item.hidden)
    )
    configs: dict[str, dict[str, Any]] = {}
    answered = []
    if node.protocol_kinds:
        answered = protocols.answer()
    taken = _taken_by_script(node, place)
    if taken:
        configs[CREDENTIALS_FILTER] = {
            "@type": f"{_LUA}PerRoute",
            "filter_context": taken,
        }
    if not node.required:
        # Nothing is checked here, so a backend may check credentials of its own in the header that
        # both would use.
        kept = tuple(name for name in hidden if name != "authorization")
        configs |= no_token()
        return EnvoyRoute(
            configs, remove_request_headers=kept, response_headers_to_add=answered
        )
    configs |= _token_filters(node, place) | _other_filters(node, place)
    asked = challenge(place, node.dpop, tokens=bool(node.kinds - {"APIKey"}))
    return EnvoyRoute(
        configs,
        remove_request_headers=hidden,
        response_headers_to_add=answered,
        metadata={CHALLENGE: asked},
    )


def kubernetes(node: Authentication, at: KubernetesPlace) -> KubernetesRoute:
    """The Kubernetes part, which `on_kubernetes.py` makes."""
    return on_kubernetes.kubernetes(node, at)


def _token_filters(node: Authentication, place: Place) -> dict[str, dict[str, Any]]:
    configs: dict[str, dict[str, Any]] = {}
    moved = _moves(node)
    if moved:
        mutations = {"request_mutations": moved}
        configs[MOVE_FILTER] = {"@type": f"{_MUTATION}PerRoute", "mutations": mutations}
    if node.credentials:
        need = Need(_kinds(node), place.api.organization, place.api.environment)
        configs[FILTER] = {"@type": PER_ROUTE, "requirement_name": need.name}
    else:
        configs |= no_token()
    if node.dpop:
        configs[DPOP_FILTER] = dpop_route(place, mandatory=node.dpop == "mandatory")
    return configs


def _other_filters(node: Authentication, place: Place) -> dict[str, dict[str, Any]]:
    """Certificates, API keys, and the rules that refuse callers."""
    configs: dict[str, dict[str, Any]] = {}
    if node.certificates:
        pems = [place.secret(ref) or "" for ref in node.certificates.accepted]
        configs[CERTIFICATE_FILTER] = certificate_route(pems, place)
    if "APIKey" in node.kinds:
        configs[KEY_CLAIMS_FILTER] = {
            "@type": f"{_LUA}PerRoute",
            "filter_context": _api(place),
        }
    callers = refused(node, place)
    if callers:
        configs[CALLER_FILTER] = per_route(rules(callers))
    return configs


def _api(place: Place) -> dict[str, Any]:
    """What an API key is checked against."""
    api = place.api
    key_type = "PRODUCTION"
    if place.sandbox:
        key_type = "SANDBOX"
    return {
        "organization": api.organization,
        "name": api.name,
        "version": api.version,
        "key_type": key_type,
    }


def _kinds(node: Authentication) -> str:
    """The kinds of credentials that the token filter looks for (`trust.py`)."""
    found: set[str] = set()
    for item in node.credentials:
        found |= _kinds_of(item)
    if API_KEY in found or node.optional or not node.needs_credential:
        # An opaque key is not a token, and with a certificate none may be needed: the token filter
        # must accept a request without one.
        found.add(OPTIONAL)
    return "".join(kind for kind in _KINDS if kind in found)


def _kinds_of(item: Credential) -> set[str]:
    if item.kind != "OAuth2":
        return {API_KEY if item.kind == "APIKey" else RAW_JWT}
    found: set[str] = set()
    if item.dpop:
        found.add(DPOP)
    if item.in_authorization:
        found.add(BEARER)
    if item.query or item.protocol or item.in_other_header:
        found.add(MOVED_BEARER)
    return found


def _moves(node: Authentication) -> list[dict[str, Any]]:
    """Tokens in other headers, brought to one place."""
    moves = []
    for item in node.credentials:
        if item.kind == "JWT" and item.header:
            moves.append(_move(item.header, MOVED_JWT_HEADER))
        elif item.kind == "OAuth2" and item.in_other_header:
            moves.append(_move(item.header, MOVED_BEARER_HEADER))
    return moves


def _move(source: str, to: str) -> dict[str, Any]:
    value = {"key": to, "value": f"%REQ({source})%"}
    return {"append": {"header": value, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}


def _taken_by_script(node: Authentication, place: Place) -> dict[str, Any]:
    """What the script before the token filter does: tokens out of the query, and API keys.

    Envoy's own change of a query would decode the parameters that stay.
    """
    context: dict[str, Any] = {}
    places = []
    for item in node.credentials:
        if item.query:
            places.append(_query_parameter(item, is_read=node.required))
    if places:
        context["query"] = places
    if node.protocol_kinds:
        context["protocols"] = protocols.markers(
            node.protocol_kinds, is_read=node.required
        )
    keys = []
    for item in node.credentials:
        if item.kind == "APIKey":
            keys.append(item)
    if keys and node.required:
        context |= {"api_key": True, **_api(place)}
        if keys[0].header:
            context["key_header"] = keys[0].header.lower()
        if keys[0].query:
            context["key_query"] = keys[0].query
    return context


def _query_parameter(item: Credential, *, is_read: bool) -> dict[str, Any]:
    parameter: dict[str, Any] = {"name": item.query}
    if is_read and item.kind in _QUERY_HEADERS:
        parameter["to"] = _QUERY_HEADERS[item.kind]
    if item.send_to_upstream:
        parameter["keep"] = True
    return parameter
