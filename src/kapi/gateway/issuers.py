"""An issuer whose tokens the gateway accepts. `app` makes the list; the gateway never fetches keys itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kapi.policies.callers.claim_names import CLIENT_CLAIMS, client_claims, client_of
from kapi.policies.callers.token_kinds import AccessTokenRule

ANY = "*"


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """One issuer with its public keys. `name` is unique; `issuer` must equal the token's `iss` to the letter."""

    name: str
    issuer: str
    jwks: str
    """The JWK Set as JSON text (RFC 7517 §5). What cannot verify a token of the `algorithms` is left out by the gateway."""
    audiences: tuple[str, ...] = ()
    """When not empty, the token's `aud` must hold one of them."""
    consumer_key_claim: str = ""
    """Empty: the first of `policies.claim_names.CLIENT_CLAIMS` that the token has."""
    scopes_claims: tuple[str, ...] = ("scope",)
    """Where the scopes stand, all of them together, as text or as a list; names as in `policies/callers/claim_names.py`."""
    organizations: tuple[str, ...] = ()
    """Whose APIs accept its tokens; empty or `*` means every organization."""
    environments: tuple[str, ...] = ()
    """In which environments; empty or `*` means all of them."""
    algorithms: tuple[str, ...] = ("RS256",)
    """Signature algorithms (RFC 7518 §3.1) its keys are used with; a key that names its `alg` is used with that one only."""
    rule: AccessTokenRule = field(default_factory=AccessTokenRule)
    """What is an access token of it."""
    clock_skew: int = 5
    """Seconds a token may be used before `nbf` and after `exp`."""
    claim_mappings: tuple[tuple[str, str], ...] = ()
    """(remote, local): this claim goes to the backend as this header."""

    binds_to_certificates: bool = True
    """Whether its tokens may be bound to a client certificate (RFC 8705 §3)."""
    api_keys: bool = False
    """It signs API keys, not access tokens; neither is accepted as the other."""

    def serves(self, organization: str, environment: str) -> bool:
        """Whether APIs of this organization and environment accept its tokens."""
        return _holds(self.organizations, organization) and _holds(self.environments, environment)


def _holds(allowed: tuple[str, ...], value: str) -> bool:
    return not allowed or ANY in allowed or value in allowed


def consumer_key_claims(issuers: Iterable[TrustedIssuer]) -> dict[str, tuple[str, ...]]:
    """For each `iss`, the claims that may name the client, in order: what subscriptions and backend JWTs look at alike."""
    return {issuer.issuer: client_claims(issuer.consumer_key_claim) for issuer in issuers}


def consumer_of(claims: Mapping[str, Any], issuers: Iterable[TrustedIssuer]) -> str:
    """The client of a verified token; empty when it names none."""
    declared = consumer_key_claims(issuers).get(str(claims.get("iss")), CLIENT_CLAIMS)
    return client_of(claims, declared)
