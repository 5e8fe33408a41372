"""The trusted issuers: those of the identity room, as values of the gateway.

The two rooms do not import each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kapi.dataclass import dataclass
from kapi.identity.keys.keyring import Keyring, load_keyring
from kapi.settings import Settings
from kapi.store import Store
from kapi.store.engine.database import Database
from kapi.store.gateway.startup_requirements import (
    CERTIFICATE_BOUND,
    StartupRequirements,
)
from kapi.store.keys import TOPIC as KEYS
from kapi.store.keys import Keys

if TYPE_CHECKING:
    from kapi.gateway.deployment.deployer import Deployer
    from kapi.gateway.issuers import TrustedIssuer
    from kapi.identity.issuers.trust import Trust
    from kapi.identity.issuers.verify import IssuerKeys


def inbuilt(settings: Settings, keyring: Keyring) -> IssuerKeys | None:
    """The inbuilt provider as an issuer, if it is enabled."""
    from kapi.identity.issuers.verify import IssuerKeys

    if not settings.identity.enabled:
        return None
    issuer, *more_names = settings.own_issuers
    return IssuerKeys.inbuilt(issuer, keyring.keys, more_names)


def trusted(settings: Settings, store: Store, keyring: Keyring) -> Trust:
    """All trusted issuers, including the inbuilt provider if it is enabled."""
    from kapi.fetch import get
    from kapi.identity.issuers.trust import Trust
    from kapi.store.issuers import IssuerStore

    return Trust(
        settings=settings,
        store=IssuerStore(store.database),
        get=get,
        inbuilt=inbuilt(settings, keyring),
    )


class InbuiltKeys:
    """The signing keys of the inbuilt provider in the gateway, as other nodes change them."""

    def __init__(self, settings: Settings, database: Database, trust: Trust) -> None:
        self._settings = settings
        self._database = database
        self._trust = trust
        self._confirmed = -1

    def confirm(self) -> int:
        """Publish the keys if they have changed; the newest change that the gateway has.

        Raises GatewayError or StorageError.
        """
        newest = self._database.version(KEYS)
        if newest != self._confirmed:
            keyring = load_keyring(Keys(self._database))
            self._trust.publish_inbuilt(inbuilt(self._settings, keyring))
            self._confirmed = newest
        return self._confirmed


@dataclass(frozen=True, slots=True)
class GatewayIssuers:
    """The trusted issuers as the gateway needs them, and what it must check in their tokens."""

    requirements: StartupRequirements
    trust: Trust

    def current(self) -> tuple[TrustedIssuer, ...]:
        """The issuers that are trusted now."""
        return self.converted(self.trust.issuers())

    def converted(self, issuers: Sequence[IssuerKeys]) -> tuple[TrustedIssuer, ...]:
        """The same issuers as values of the gateway."""
        binds = self.requirements.is_requested(CERTIFICATE_BOUND)
        return _in_gateway(issuers, inbuilt_binds=binds)

    def meet_requirements(self, deployer: Deployer) -> None:
        """Let the gateway check bound tokens of the inbuilt provider, if that is requested."""
        requested = self.requirements.is_requested(CERTIFICATE_BOUND)
        if requested and not self.requirements.is_met(CERTIFICATE_BOUND):
            deployer.trust(self.current())
            self.requirements.mark_met(CERTIFICATE_BOUND)


def _in_gateway(
    issuers: Sequence[IssuerKeys], *, inbuilt_binds: bool
) -> tuple[TrustedIssuer, ...]:
    """The issuers as the gateway's values; one with several `iss` is there once for each.

    `inbuilt_binds`: whether the inbuilt provider binds tokens to client certificates.
    """
    from kapi.gateway.issuers import SECOND_NAME
    from kapi.identity.issuers.verify import INBUILT

    found = []
    for item in issuers:
        first = _trusted(item, binds=item.issuer.name != INBUILT or inbuilt_binds)
        found.append(first)
        for number, name in enumerate(item.issuer.more_names, 2):
            again = f"{first.name}{SECOND_NAME}{number}"
            found.append(replace(first, name=again, issuer=name, same_as=first.issuer))
    return tuple(found)


def _trusted(item: IssuerKeys, *, binds: bool) -> TrustedIssuer:
    from kapi.gateway.issuers import ANY, TrustedIssuer

    return TrustedIssuer(
        name=item.issuer.name,
        issuer=item.issuer.issuer,
        jwks=item.keys.jwks(),
        audiences=item.issuer.audiences,
        consumer_key_claim=item.issuer.consumer_key_claim,
        scopes_claims=item.issuer.scopes_claims,
        organizations=()
        if item.issuer.organization == ANY
        else (item.issuer.organization,),
        environments=item.issuer.environments,
        algorithms=item.issuer.algorithms,
        rule=item.issuer.rule,
        clock_skew=item.issuer.clock_skew,
        claim_mappings=item.issuer.claim_mappings,
        binds_to_certificates=binds,
    )
