"""Scopes (apk-conf `operations[].scopes`): the token must carry at least one of them, in `scope` or `scp`.

The claim may be a space-delimited string (RFC 9068 §2.2.3) or a list; jwt_authn has made a list of both by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kapi.apis.conf import ApiConf, OperationConf
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.rbac import CLAIMS, JWT_FILTER

name = "scopes"
phase = Phase.AUTHORIZE

FILTER = "envoy.filters.http.rbac"
PER_ROUTE = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute"
SCOPE_CLAIMS = ("scope", "scp")
filters = (HttpFilter(phase, FILTER, {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"}),)


@dataclass(frozen=True, slots=True)
class Scopes:
    """The accepted scopes; one is enough."""

    policy: ClassVar[str] = name
    scopes: tuple[str, ...]


def compile(conf: ApiConf, operation: OperationConf) -> Scopes | None:  # noqa: A001, ARG001 - the policy contract
    """No scopes, no check; an operation open to everybody has no token to look into."""
    if not operation.secured or not operation.scopes:
        return None
    return Scopes(tuple(sorted(set(operation.scopes))))


def envoy(node: Scopes, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Allow whoever has one of the scopes; the filter refuses everybody else."""
    principals = [_has(claim, scope) for scope in node.scopes for claim in SCOPE_CLAIMS]
    policy = {"permissions": [{"any": True}], "principals": principals}
    rules = {"action": "ALLOW", "policies": {"scopes": policy}}
    return EnvoyRoute({FILTER: {"@type": PER_ROUTE, "rbac": {"rules": rules}}})


def _has(claim: str, scope: str) -> dict[str, Any]:
    value = {"list_match": {"one_of": {"string_match": {"exact": scope}}}}
    matcher = {"filter": JWT_FILTER, "path": [{"key": CLAIMS}, {"key": claim}], "value": value}
    return {"sourced_metadata": {"metadata_matcher": matcher}}
