"""An issuer whose tokens the gateway accepts. `app` makes the list; the gateway never fetches keys itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """One issuer with its public keys. `name` is unique; `issuer` must equal the token's `iss` to the letter."""

    name: str
    issuer: str
    jwks: str
    """The JWK Set as JSON text (RFC 7517 §5), public keys only."""
    audiences: tuple[str, ...] = ()
    """When not empty, the token's `aud` must hold one of them."""
    consumer_key_claim: str = "clientId"
    scopes_claim: str = "scope"
