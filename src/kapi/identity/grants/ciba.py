"""The CIBA grant in poll mode (OpenID Connect CIBA Core §10.1)."""

from __future__ import annotations

from kapi.identity.decoupled.requests import redeem
from kapi.identity.grants.facts import GrantFacts
from kapi.identity.provider import Provider
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.identity.tokens.person_tokens import PersonTokens

facts = GrantFacts(
    grant_type="urn:openid:params:grant-type:ciba",
    public_clients=False,
    registrable=True,
    document_clients=False,
    fapi=True,
    quick=False,
    parameters={
        "auth_req_id": "CIBA",
    },
)
KIND = "ciba"
"""Kind of the records of requests."""


def owner_of(subject: str) -> str:
    """The owner of the records of the requests to a person, by the subject of the account."""
    return f"ciba {subject}"


def needs(provider: Provider) -> PersonTokens:
    """The values for tokens of people."""
    return provider.person_tokens


def authorize(tokens: PersonTokens, request: TokenRequest) -> Issuance:
    """The tokens of a request that the person has allowed."""
    return redeem(tokens, KIND, request.form.need("auth_req_id"), request)
