"""Trusted issuers from the words of `identity` to those of `gateway`: the two rooms do not know each other. Part of the porch."""

from __future__ import annotations

from collections.abc import Sequence

from kapi.gateway.issuers import ANY, TrustedIssuer
from kapi.identity.verify import IssuerKeys


def gateway_issuers(issuers: Sequence[IssuerKeys]) -> tuple[TrustedIssuer, ...]:
    """The same issuers in the gateway's words."""
    return tuple(
        TrustedIssuer(
            name=item.issuer.name,
            issuer=item.issuer.issuer,
            jwks=item.keys.jwks(),
            audiences=item.issuer.audiences,
            consumer_key_claim=item.issuer.consumer_key_claim,
            scopes_claims=item.issuer.scopes_claims,
            organizations=() if item.issuer.organization == ANY else (item.issuer.organization,),
            environments=item.issuer.environments,
            algorithms=item.issuer.algorithms,
            token_types=tuple(dict.fromkeys((*item.issuer.types, *(f"application/{name}" for name in item.issuer.types if "+" in name)))),
            clock_skew=item.issuer.clock_skew,
            required_claims=item.issuer.required_claims,
            claim_mappings=item.issuer.claim_mappings,
        )
        for item in issuers
    )
