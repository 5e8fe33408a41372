"""Whose tokens are trusted: the identity room says it, the gateway is told; the two rooms do not know each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kapi.identity.keys.keyring import Keyring
from kapi.settings import Settings
from kapi.store import Store
from kapi.store.startup_requirements import CERTIFICATE_BOUND, StartupRequirements

if TYPE_CHECKING:
    from kapi.gateway.deployment.deployer import Deployer
    from kapi.gateway.issuers import TrustedIssuer
    from kapi.identity.issuers.trust import Trust
    from kapi.identity.tokens.verify import IssuerKeys


def inbuilt(settings: Settings, keyring: Keyring) -> IssuerKeys | None:
    """The inbuilt provider as an issuer, when there is one."""
    from kapi.identity.tokens.verify import IssuerKeys

    return (
        IssuerKeys.inbuilt(settings.identity.issuer, keyring.keys)
        if settings.identity.enabled
        else None
    )


def trusted(settings: Settings, store: Store, keyring: Keyring) -> Trust:
    """Every issuer that is trusted, the inbuilt provider among them when there is one."""
    from kapi.fetch import get
    from kapi.identity.issuers.trust import Trust
    from kapi.store.issuers import IssuerStore

    return Trust(
        settings=settings,
        store=IssuerStore(store.database),
        get=get,
        inbuilt=inbuilt(settings, keyring),
    )


@dataclass(frozen=True, slots=True)
class Telling:
    """Tells the gateway whose tokens are good, and what else it has to check."""

    requirements: StartupRequirements
    trust: Trust

    def issuers(self, issuers: Sequence[IssuerKeys] | None = None) -> tuple[TrustedIssuer, ...]:
        """The trusted issuers in the gateway's words; those of now unless others are given."""
        binds = self.requirements.is_requested(CERTIFICATE_BOUND)
        return _in_gateway(
            self.trust.issuers() if issuers is None else issuers, inbuilt_binds=binds
        )

    def take_up(self, deployer: Deployer) -> None:
        """Do what was asked for and is not done yet."""
        if self.requirements.is_requested(CERTIFICATE_BOUND) and not self.requirements.is_met(
            CERTIFICATE_BOUND
        ):
            deployer.trust(self.issuers())
            self.requirements.mark_met(CERTIFICATE_BOUND)


def _in_gateway(issuers: Sequence[IssuerKeys], *, inbuilt_binds: bool) -> tuple[TrustedIssuer, ...]:
    """The same issuers in the gateway's words; of ours it is known whether it has bound a token to a client certificate."""
    from kapi.gateway.issuers import ANY, TrustedIssuer
    from kapi.identity.tokens.verify import INBUILT

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
            rule=item.issuer.rule,
            clock_skew=item.issuer.clock_skew,
            claim_mappings=item.issuer.claim_mappings,
            binds_to_certificates=item.issuer.name != INBUILT or inbuilt_binds,
        )
        for item in issuers
    )
