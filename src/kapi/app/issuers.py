"""Whose tokens are trusted: the identity room says it, the gateway is told; the two rooms do not know each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kapi.identity.keys import Keyring
from kapi.settings import Settings
from kapi.store import Store

if TYPE_CHECKING:
    from kapi.gateway.issuers import TrustedIssuer
    from kapi.identity.issuers.trust import Trust
    from kapi.identity.verify import IssuerKeys


def inbuilt(settings: Settings, keyring: Keyring) -> IssuerKeys | None:
    """The inbuilt provider as an issuer, when there is one."""
    from kapi.identity.verify import IssuerKeys

    return IssuerKeys.inbuilt(settings.identity.issuer, keyring.keys) if settings.identity.enabled else None


def trusted(settings: Settings, store: Store, keyring: Keyring) -> Trust:
    """Every issuer that is trusted, the inbuilt provider among them when there is one."""
    from kapi.fetch import get
    from kapi.identity.issuers.trust import Trust
    from kapi.store.issuers import IssuerStore

    return Trust(settings=settings, store=IssuerStore(store.database), get=get, inbuilt=inbuilt(settings, keyring))


def gateway_issuers(issuers: Sequence[IssuerKeys]) -> tuple[TrustedIssuer, ...]:
    """The same issuers in the gateway's words."""
    from kapi.gateway.issuers import ANY, TrustedIssuer

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
