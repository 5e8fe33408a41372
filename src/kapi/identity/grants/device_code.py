"""The device code grant (RFC 8628 §3.4): a device polls until the person decides."""

from __future__ import annotations

from kapi.identity.decoupled.requests import redeem
from kapi.identity.decoupled.user_codes import KIND
from kapi.identity.grants.facts import GrantFacts
from kapi.identity.provider import Provider
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.identity.tokens.person_tokens import PersonTokens

facts = GrantFacts(
    grant_type="urn:ietf:params:oauth:grant-type:device_code",
    public_clients=True,
    registrable=True,
    document_clients=True,
    fapi=True,
    quick=False,
    parameters={
        "device_code": "RFC 8628",
    },
)


def needs(provider: Provider) -> PersonTokens:
    """The values for tokens of people."""
    return provider.person_tokens


def authorize(tokens: PersonTokens, request: TokenRequest) -> Issuance:
    """The tokens of a request that the person has allowed."""
    return redeem(tokens, KIND, request.form.need("device_code"), request)
