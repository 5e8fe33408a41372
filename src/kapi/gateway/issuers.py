"""Issuers of the tokens that the gateway accepts.

`app` makes the list; the gateway fetches no keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass
from kapi.jose.claim_names import CLIENT_CLAIMS, client_claims, client_of
from kapi.jose.token_kinds import AccessTokenRule

ANY = "*"
SECOND_NAME = "@"
"""Between the name of an issuer and a number: the same issuer with another `iss`."""


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """One issuer with its public keys.

    `name` is unique; `issuer` equals the `iss` of its tokens.
    """

    name: str
    issuer: str
    jwks: str
    """The JWK Set as JSON text (RFC 7517 §5).

    The gateway leaves out keys for other `algorithms`.
    """
    audiences: tuple[str, ...] = ()
    """If not empty, the token's `aud` must contain one of them."""
    consumer_key_claim: str = ""
    """Empty: the first of `policies.claim_names.CLIENT_CLAIMS` that the token has."""
    scopes_claims: tuple[str, ...] = ("scope",)
    """Claims that together contain the scopes; named as in `callers/claim_names.py`."""
    organizations: tuple[str, ...] = ()
    """Organizations whose APIs accept its tokens; empty or `*` means all."""
    environments: tuple[str, ...] = ()
    """Environments whose APIs accept its tokens; empty or `*` means all."""
    algorithms: tuple[str, ...] = ("RS256",)
    """Signature algorithms (RFC 7518 §3.1); a key with `alg` is used with that one only."""
    rule: AccessTokenRule = field(default_factory=AccessTokenRule)
    """Which of its tokens are access tokens."""
    clock_skew: int = 5
    """Seconds a token may be used before `nbf` and after `exp`."""
    claim_mappings: tuple[tuple[str, str], ...] = ()
    """(remote, local): this claim goes to the backend as this header."""

    binds_to_certificates: bool = True
    """Whether its tokens may be bound to a client certificate (RFC 8705 §3)."""
    same_as: str = ""
    """`iss` of the tokens that it has besides: the deny list and limits name that one."""
    api_keys: bool = False
    """It signs API keys, not access tokens; neither is accepted as the other."""

    def serves(self, organization: str, environment: str) -> bool:
        """Whether APIs of this organization and environment accept its tokens."""
        return _holds(self.organizations, organization) and _holds(
            self.environments, environment
        )


def _holds(allowed: tuple[str, ...], value: str) -> bool:
    return not allowed or ANY in allowed or value in allowed


def consumer_key_claims(issuers: Iterable[TrustedIssuer]) -> dict[str, tuple[str, ...]]:
    """For each `iss`, the claims that may name the client, in order of precedence."""
    return {
        issuer.issuer: client_claims(issuer.consumer_key_claim) for issuer in issuers
    }


def consumer_of(claims: Mapping[str, Any], issuers: Iterable[TrustedIssuer]) -> str:
    """The client of a verified token; empty when it names none."""
    declared = consumer_key_claims(issuers).get(str(claims.get("iss")), CLIENT_CLAIMS)
    return client_of(claims, declared)
