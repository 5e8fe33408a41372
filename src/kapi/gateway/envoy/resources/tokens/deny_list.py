"""The deny list: an RBAC filter that refuses revoked tokens by issuer and `jti`. Pure.

A token is found in constant time. jwt_authn copies both claims of a verified token into headers,
and removes what a client sends by these names, so they cannot be forged; the routes remove them
before the backend. It travels by ECDS.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kapi.gateway.envoy.resources.names import EXTENSION
from kapi.gateway.envoy.resources.resource import Encode, Resource, resource
from kapi.policies.callers.revocation import FILTER
from kapi.policies.contract import PLACEHOLDER


def empty_deny_list() -> dict[str, Any]:
    """The filter when nothing is revoked, in Envoy's JSON form."""
    return {"name": FILTER, "typed_config": dict(PLACEHOLDER)}


def deny_list(
    revoked: Iterable[tuple[str, str]], encode: Encode, own_issuers: Sequence[str] = ()
) -> Resource:
    """The ECDS resource for (issuer, jti) pairs; an empty issuer means any.

    `own_issuers` are names of one issuer: what is revoked of one is of each.
    """
    by_issuer: dict[str, set[str]] = {}
    for issuer, jti in revoked:
        name = own_issuers[0] if issuer in own_issuers else issuer
        by_issuer.setdefault(name, set()).add(jti)
    if not by_issuer:
        return encode(EXTENSION, empty_deny_list())
    # Only who has revoked a token needs these messages.
    from kapi.gateway.envoy.resources.tokens.deny_rules import encoded_rules

    return resource(EXTENSION, FILTER, encoded_rules(FILTER, by_issuer, own_issuers))
