"""OAuth2 bearer tokens (apk-conf `authentication`, `operations[].secured`; RFC 6750 §2.1).

A token is mandatory unless the operation says `secured: false`. The requirement itself stands on the virtual host, so
a route that says nothing is closed; this policy only opens a route, and hides the token from the backend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kapi.apis.conf import ApiConf, OperationConf
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place

name = "authentication"
phase = Phase.AUTHENTICATE

FILTER = "envoy.filters.http.jwt_authn"
PER_ROUTE = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig"
ANY_ISSUER = "any"
"""The requirement that a token of any trusted issuer meets."""
CLAIMS = "jwt_payload"
"""Key of the verified claims in the filter's metadata."""
filters = (HttpFilter(phase, FILTER, discovered="envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"),)


@dataclass(frozen=True, slots=True)
class Authentication:
    """Whether a token is required, and whether the backend sees it."""

    policy: ClassVar[str] = name
    required: bool
    send_token_to_upstream: bool = False


def compile(conf: ApiConf, operation: OperationConf) -> Authentication:  # noqa: A001 - the verb of the policy contract
    """Every operation gets a node: leaving one out must not decide anything."""
    sends = any(item.send_token_to_upstream for item in conf.authentication if item.auth_type == "OAuth2")
    return Authentication(required=operation.secured, send_token_to_upstream=sends)


def envoy(node: Authentication, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Open the route when no token is required; keep the token from the backend unless it was asked for."""
    per_route = {} if node.required else {FILTER: {"@type": PER_ROUTE, "disabled": True}}
    return EnvoyRoute(per_route, remove_request_headers=() if node.send_token_to_upstream else ("authorization",))
