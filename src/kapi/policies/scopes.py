"""Scopes (apk-conf `operations[].scopes`): the token must carry at least one of them, in the claim that its issuer uses.

The claim may be a space-delimited string (RFC 9068 §2.2.3) or a list; of any other claim than `scope` and `scp` the script of the claims
filter has made a list by then. As in APK, whoever comes with an API key or a certificate alone has no scopes and needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kapi.apis.authentication_rules import methods, needs_caller
from kapi.apis.conf import ApiConf, OperationConf
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.rbac import FACTS, PRESENT, TRUE, claim, every, has_word, holds, metadata, no, per_route, some

name = "scopes"
phase = Phase.AUTHORIZE

FILTER = "envoy.filters.http.rbac"
METADATA = "kapi.scopes"
"""Route metadata: the scopes of the operation, for the challenge of a refusal."""
SCOPE_CLAIMS = ("scope", "scp")
filters = (HttpFilter(phase, FILTER, {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"}, disabled=True),)


@dataclass(frozen=True, slots=True)
class Scopes:
    """The accepted scopes; one is enough. `tokens_only` when nobody gets here without a token."""

    policy: ClassVar[str] = name
    scopes: tuple[str, ...]
    tokens_only: bool = True


def compile(conf: ApiConf, operation: OperationConf) -> Scopes | None:  # noqa: A001 - the policy contract
    """No scopes, no check; an operation open to everybody has no token to look into."""
    if not needs_caller(conf, operation) or not operation.scopes:
        return None
    enabled = [item for item in methods(conf) if item.enabled]
    keys = any(item.auth_type == "APIKey" for item in enabled)
    certificate_alone = any(item.auth_type == "mTLS" for item in enabled) and not any(
        item.required == "mandatory" for item in enabled if item.auth_type != "mTLS"
    )
    others = keys or certificate_alone
    return Scopes(tuple(sorted(set(operation.scopes))), tokens_only=not others)


def envoy(node: Scopes, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Allow whoever has one of the scopes; the filter refuses everybody else."""
    usual = some(*(claim(name, has_word(*node.scopes)) for name in SCOPE_CLAIMS))
    own = some(*(metadata(FACTS, ("scopes",), holds(scope)) for scope in node.scopes))
    allowed = [every(no(metadata(FACTS, ("own_scopes",), TRUE)), usual), own]
    if not node.tokens_only:
        # The caller was admitted by another filter before this one.
        allowed.append(no(claim("iss", PRESENT)))
    policy = {"permissions": [{"any": True}], "principals": allowed}
    needed = {METADATA: {"scope": " ".join(node.scopes)}}
    return EnvoyRoute({FILTER: per_route({"action": "ALLOW", "policies": {"scopes": policy}})}, metadata=needed)
