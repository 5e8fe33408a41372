"""Browsers without a session are sent to a provider to sign in (kapi's own policy `BrowserSignIn`).

OpenID Connect Core 1.0 §3.1 with PKCE (RFC 7636), by Envoy's filter `oauth2`: it makes the session,
encrypted cookies of the browser, and gives the access token of the session to the checks that every
token passes. Calls with a credential of their own pass by. The paths where the provider sends
browsers back, and where they sign out, are operations of the API. Here is which requests the filter
is for, and what is around it; its own configuration is in `oauth2.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from kapi.apis.ir import Endpoint, Operation
from kapi.apis.kinds.rest import RestOperation
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.policies.authentication.conf import needs_caller
from kapi.policies.authentication.node import Authentication
from kapi.policies.callers.browser_sign_in import conf as in_conf
from kapi.policies.callers.browser_sign_in.node import NAME, BrowserSignIn, node_of
from kapi.policies.callers.browser_sign_in.oauth2 import (
    HTML,
    oauth2_config,
    public_port,
)
from kapi.policies.composite import BY_ROUTE, execution
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.lua import script
from kapi.typed import of_kind

name = NAME
phase = Phase.SIGN_IN
conf_part = in_conf.conf_part
FILTER = "kapi.filters.http.browser_sign_in"
COOKIES_FILTER = "kapi.filters.http.session_cookies"
PORT_FILTER = "kapi.sign_in_port"
METADATA: Final = "kapi.browser_sign_in"
"""Metadata of the routes with a sign-in: the bodies of refusals depend on it."""
_EXTENSIONS: Final = "type.googleapis.com/envoy.extensions."
_INPUT: Final = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
_RESPONSE_INPUT: Final = (
    "type.googleapis.com/envoy.type.matcher.v3.HttpResponseHeaderMatchInput"
)
_ANYTHING: Final = {"safe_regex": {"google_re2": {}, "regex": ".*"}}
_COOKIES: Final = "__Host-gateway-"
"""What the names of all cookies of sessions begin with (RFC 6265bis §4.1.3.2)."""


def _matches(
    header: str, matcher: dict[str, Any], source: str = _INPUT
) -> dict[str, Any]:
    """A predicate over a header; one that is absent matches nothing."""
    read = {"name": header, "typed_config": {"@type": source, "header_name": header}}
    return {"single_predicate": {"input": read, "value_match": matcher}}


def _all_of(*predicates: dict[str, Any]) -> dict[str, Any]:
    return {"and_matcher": {"predicate": list(predicates)}}


def _composite(chosen: dict[str, Any]) -> dict[str, Any]:
    return {"action": {"name": name, "typed_config": execution([chosen])}}


def _on_match(predicate: dict[str, Any], on_match: dict[str, Any]) -> dict[str, Any]:
    return {
        "matcher_list": {"matchers": [{"predicate": predicate, "on_match": on_match}]}
    }


def _lua(name: str) -> dict[str, Any]:
    return {
        "@type": f"{_EXTENSIONS}filters.http.lua.v3.Lua",
        "clear_route_cache": False,
        "default_source_code": {"inline_string": script(name)},
    }


_HIDE: Final = {
    **BY_ROUTE,
    "xds_matcher": _on_match(
        _matches("cookie", {"contains": _COOKIES}),
        _composite({"name": "lua", "typed_config": _lua("session_cookies")}),
    ),
}
_NO_REDIRECT: Final = {"not_matcher": _matches("location", _ANYTHING, _RESPONSE_INPUT)}
_SKIP: Final = {
    "action": {
        "name": "skip",
        "typed_config": {
            "@type": f"{_EXTENSIONS}filters.common.matcher.action.v3.SkipFilter"
        },
    }
}
_PORT: Final = {
    "@type": f"{_EXTENSIONS}common.matching.v3.ExtensionWithMatcher",
    "extension_config": {"name": PORT_FILTER, "typed_config": _lua("sign_in_port")},
    "xds_matcher": _on_match(_NO_REDIRECT, _SKIP),
}
filters = (
    HttpFilter(phase, PORT_FILTER, _PORT, on_demand=True),
    HttpFilter(phase, FILTER, BY_ROUTE, disabled=True),
    # On all routes: browsers send the cookies to all APIs of a host.
    HttpFilter(Phase.HIDE_SESSIONS, COOKIES_FILTER, _HIDE, on_demand=True),
)


def compile(conf: ApiConf, operation: OperationConf) -> BrowserSignIn | None:
    """For the operations that need a caller."""
    if not needs_caller(conf, operation):
        return None
    return node_of(conf)


def added_operations(
    conf: ApiConf, operations: tuple[Operation, ...]
) -> tuple[Operation, ...]:
    """Where the provider sends browsers back, and where they sign out."""
    node = node_of(conf)
    if node is None:
        return ()
    policies = (replace(node, own=True), Authentication(required=False))
    production = _first(item.production for item in operations)
    sandbox = _first(item.sandbox for item in operations)
    return tuple(
        RestOperation("GET", path, production, sandbox, policies)
        for path in (node.callback_path, node.sign_out_path)
    )


def _first(endpoints: Iterable[tuple[Endpoint, ...]]) -> tuple[Endpoint, ...]:
    """They are on the hosts that the operations of the conf are on."""
    for item in endpoints:
        if item:
            return item[:1]
    return ()


def envoy(node: BrowserSignIn, place: Place) -> EnvoyRoute:
    """The filter with all it needs on this route alone, for requests that it is for."""
    cookies = _COOKIES + hashlib.sha256(place.api.id.encode()).hexdigest()[:12]
    oauth2 = {"name": "oauth2", "typed_config": oauth2_config(node, place, cookies)}
    action = _composite(oauth2)
    matcher: dict[str, Any] = {"on_no_match": action}
    if not node.own:
        matcher = _on_match(_wanted(place, cookies), action)
    per_route = {
        "@type": f"{_EXTENSIONS}common.matching.v3.ExtensionWithMatcherPerRoute",
        "xds_matcher": matcher,
    }
    # The names of filters ask for those that are there on demand.
    metadata: dict[str, dict[str, Any]] = {
        METADATA: {"on": True},
        COOKIES_FILTER: {"on": True},
        PORT_FILTER: {},
    }
    port = public_port(place)
    if port:
        metadata[PORT_FILTER] = {"place": {"hosts": list(place.hosts), "port": port}}
    return EnvoyRoute({FILTER: per_route}, metadata=metadata)


def _wanted(place: Place, cookies: str) -> dict[str, Any]:
    """Requests without a credential of their own: with a session, or for a page."""
    none = [
        {"not_matcher": _matches(header, _ANYTHING)}
        for header in _credential_headers(place)
    ]
    session = _matches("cookie", {"contains": cookies})
    page = _all_of(_matches(":method", {"exact": "GET"}), _matches("accept", HTML))
    return _all_of(*none, {"or_matcher": {"predicate": [session, page]}})


def _credential_headers(place: Place) -> Iterator[str]:
    names = {"authorization": None}
    for node in of_kind(place.operation.policies, Authentication):
        names |= {item.header.lower(): None for item in node.credentials}
    yield from filter(None, names)


def kubernetes(node: BrowserSignIn, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible: `oidc` leaves the cookies of a session in the requests for backends."""
    return not_possible(
        "a sign-in of browsers whose session the backend does not get",
        "Remove BrowserSignIn, or deploy the API to kapi's gateway.",
    )
