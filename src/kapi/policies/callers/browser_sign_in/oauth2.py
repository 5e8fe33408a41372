"""The configuration of Envoy's filter `oauth2` on a route: the provider, the cookies, the paths."""

from __future__ import annotations

import re
from typing import Any, Final

from kapi.policies.callers.browser_sign_in.conf import BASIC, POST
from kapi.policies.callers.browser_sign_in.node import BrowserSignIn
from kapi.policies.contract import Place

_FILTER: Final = "type.googleapis.com/envoy.extensions.filters.http.oauth2.v3.OAuth2"
_ENVOY_METHODS: Final = {BASIC: "BASIC_AUTH", POST: "URL_ENCODED_BODY"}
_ANSWER_SECONDS: Final = "10s"
"""How long the provider may take to exchange a code."""
_SESSION_SECONDS: Final = "600s"
"""How long a token is used whose response does not say when it expires (RFC 6749 §5.1)."""
HTML: Final = {"contains": "text/html", "ignore_case": True}
"""What the header Accept of a request for a page is."""


def oauth2_config(node: BrowserSignIn, place: Place, cookies: str) -> dict[str, Any]:
    """The filter; the names of its cookies begin with `cookies`."""
    port, base = public_port(place), place.base_path.replace("%", "%%")
    authority = f"%REQ(:AUTHORITY)%:{port}" if port else "%REQ(:AUTHORITY)%"
    authorization, end_session = _browser_endpoints(node, place)
    config: dict[str, Any] = {
        "token_endpoint": _exchange(node, place),
        "authorization_endpoint": authorization,
        "credentials": {
            "client_id": node.client_id,
            "token_secret": place.credential(node.client_secret.secret),
            "hmac_secret": place.credential(node.session_key.secret),
            "cookie_names": {
                field: f"{cookies}-{short}" for field, short in _NAMES.items()
            },
        },
        # The host is one of the names of the virtual host.
        "redirect_uri": f"https://{authority}{base}{node.callback_path}",
        "redirect_path_matcher": _path(place.base_path + node.callback_path),
        "signout_path": _path(place.base_path + node.sign_out_path),
        "forward_bearer_token": True,
        "auth_scopes": list(node.scopes),
        "auth_type": _ENVOY_METHODS[node.client_authentication],
        "use_refresh_token": True,
        "default_expires_in": _SESSION_SECONDS,
        "deny_redirect_matcher": _NO_PAGE,
        "disable_id_token_set_cookie": not end_session,
        "cookie_configs": {f"{field}_cookie_config": _LAX for field in _NAMES},
    }
    if end_session:
        config["end_session_endpoint"] = end_session
    return {"@type": _FILTER, "config": config}


_NAMES: Final = {
    "bearer_token": "token",
    "oauth_hmac": "seal",
    "oauth_expires": "expires",
    "id_token": "id",
    "refresh_token": "refresh",
    "oauth_nonce": "nonce",
    "code_verifier": "verifier",
}
"""Envoy's name of each cookie, and the end of its name here."""
_LAX: Final = {"same_site": "LAX", "path": "/"}
"""Strict cookies would be absent where the provider sends the browser back."""
_NO_PAGE: Final = [
    {"name": ":method", "string_match": {"exact": "GET"}, "invert_match": True},
    {
        "name": "accept",
        "string_match": HTML,
        "invert_match": True,
        "treat_missing_header_as_empty": True,
    },
]
"""Requests that are refused where a page is sent to the provider."""


def _path(path: str) -> dict[str, Any]:
    # A route takes its path with a slash at the end too.
    return {"path": {"safe_regex": {"regex": f"{re.escape(path)}/?"}}}


def _browser_endpoints(node: BrowserSignIn, place: Place) -> tuple[str, str]:
    """The endpoints of the provider that browsers visit."""
    if node.authorization_endpoint:
        return node.authorization_endpoint, node.end_session_endpoint
    origin = _inbuilt_origin(place)
    return f"{origin}/oauth2/authorize", f"{origin}/oidc/logout"


def public_port(place: Place) -> str:
    """The public port; empty if it is the usual one. The edge has removed it from the host."""
    return (
        place.gateway.origin(place.host)
        .removeprefix(f"https://{place.host}")
        .lstrip(":")
    )


def _inbuilt_origin(place: Place) -> str:
    if place.provider is None:
        return "https://no-provider.invalid"
    return place.gateway.origin(place.provider.hosts[0])


def _exchange(node: BrowserSignIn, place: Place) -> dict[str, Any]:
    """The token endpoint. That of the inbuilt provider needs no network."""
    endpoint, provider = node.token_endpoint, place.provider
    if endpoint is None:
        uri = f"{_inbuilt_origin(place)}/oauth2/token"
    else:
        uri = f"{endpoint.scheme}://{endpoint.authority}{endpoint.base_path}"
    if provider is not None and (endpoint is None or endpoint.host in provider.hosts):
        cluster = provider.cluster
    elif endpoint is not None:
        cluster = place.cluster(endpoint)
    else:
        cluster = "no-provider"
    return {"uri": uri, "cluster": cluster, "timeout": _ANSWER_SECONDS}
