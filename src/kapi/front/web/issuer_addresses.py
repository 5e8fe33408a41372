"""Where the keys of declared issuers are, for exports; the gateway room knows no declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapi.policies.kubernetes import KeyAddress

if TYPE_CHECKING:
    from kapi.identity.issuers.declaration import Issuer


def key_address(issuer: Issuer, jwks_uri: str) -> KeyAddress:
    """`jwks_uri` is empty if it is not known."""
    return KeyAddress(
        issuer.name,
        issuer.issuer,
        jwks_uri,
        audiences=issuer.audiences,
        scopes_claims=issuer.scopes_claims,
        organizations=(issuer.organization,),
        environments=issuer.environments,
        claim_mappings=tuple(issuer.claim_mappings),
    )
