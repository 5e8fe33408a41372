"""The JWT bearer grant (RFC 7523 §2.1): an access token for an assertion of a trusted issuer, once.

The issuers are those of `[[identity.assertion_issuers]]`. Their settings decide keys and
algorithms, not the assertion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.clients.clients import client_of
from kapi.identity.clients.keys import keys_of
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.clients.remote_documents import RemoteDocuments
from kapi.identity.grants.facts import GrantFacts
from kapi.identity.minting.minter import AccessToken
from kapi.identity.minting.minting import Minting
from kapi.identity.people.ended import tied
from kapi.identity.provider import Provider
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.identity.tokens.presented import listed
from kapi.jose.jwt import (
    InvalidJwt,
    Jwt,
    check_signature,
    check_times,
    read_jwt,
    text_claim,
)
from kapi.settings import AssertionIssuerSettings, ClientSettings, IdentitySettings
from kapi.store.families import Families
from kapi.store.records import Record, Records, key_of

facts = GrantFacts(
    grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer",
    public_clients=True,
    registrable=True,
    document_clients=False,
    fapi=True,
    quick=False,
    parameters={
        "assertion": "RFC 7523",
    },
)
LONGEST_SECONDS = 3600
_TYPES = ("", "jwt", "authorization-grant+jwt")
_SEEN = "assertion"


@dataclass(frozen=True, slots=True)
class JwtBearer:
    """The values that the JWT bearer grant needs."""

    minting: Minting
    registry: ClientRegistry
    records: Records
    """The assertions that were used."""
    families: Families
    new_id: Callable[[], str]
    issuer: str
    base_url: str
    """The URL of the provider's root."""


def needs(provider: Provider) -> JwtBearer:
    """The values for assertions and access tokens."""
    return JwtBearer(
        minting=provider.minting,
        registry=provider.registry,
        records=provider.records,
        families=provider.families,
        new_id=provider.new_id,
        issuer=provider.issuer,
        base_url=provider.base_url,
    )


def authorize(given: JwtBearer, request: TokenRequest) -> Issuance:
    """A token for the subject. Raises OAuthError invalid_grant with the reason."""
    assertion = request.form.need("assertion")
    audience = request.resources or given.minting.audience(request.client)
    # Checked first: resources that cannot share a token must not use up the assertion.
    given.minting.resources.token_format(request.client, audience)
    try:
        issuer, jwt = _read(given.minting.identity, assertion)
        if not {"*", request.client.id} & set(issuer.clients):
            raise InvalidJwt("this client may not use assertions of its issuer")
        check_signature(jwt, _keys(given.registry.documents, issuer, jwt, request.now))
        subject = _subject(given, issuer, jwt.claims)
        _check_claims(given, issuer, jwt.claims, request.now)
    except InvalidJwt as error:
        raise OAuthError(
            "invalid_grant", f"The assertion is refused: {error}"
        ) from error
    scope = _scope(issuer, request)
    client = request.client
    lifetime = given.minting.lifetime(client, audience)
    user, account, claims = given.minting.users.get(subject), "", {}
    if user is not None:
        account = subject
        if len(user.organizations) == 1:
            claims["organization"] = user.organizations[0]
    jti = tied(given.families, given.new_id, account, request.now + lifetime)
    return Issuance(
        AccessToken(subject, client.id, scope, lifetime, audience, claims, jti)
    )


def _read(
    identity: IdentitySettings, assertion: str
) -> tuple[AssertionIssuerSettings, Jwt]:
    issuers = {item.issuer: item for item in identity.assertion_issuers}
    algorithms = {name for item in issuers.values() for name in item.algorithms}
    jwt = read_jwt(assertion, algorithms=sorted(algorithms), types=_TYPES)
    issuer = issuers.get(text_claim(jwt.claims, "iss", 2048))
    if issuer is None:
        raise InvalidJwt("its issuer is not trusted here")
    if jwt.header["alg"] not in issuer.algorithms:
        raise InvalidJwt("its algorithm is not one of its issuer")
    return issuer, jwt


def _keys(
    documents: RemoteDocuments, issuer: AssertionIssuerSettings, jwt: Jwt, now: int
) -> Sequence[Mapping[str, Any]]:
    holder = client_of(
        ClientSettings(issuer.issuer, jwks=issuer.jwks, jwks_uri=issuer.jwks_uri), b""
    )
    return keys_of(documents, holder, jwt.header.get("kid"), now)


def _subject(
    given: JwtBearer, issuer: AssertionIssuerSettings, claims: Mapping[str, Any]
) -> str:
    """`sub` of the token. An assertion may name a person by user name or by subject."""
    subject = text_claim(claims, "sub", 255)
    person = given.minting.users.named(subject) or given.minting.users.get(subject)
    if person is not None:
        return person.subject
    if given.minting.users.account(subject) is not None:
        raise InvalidJwt("the account of its subject is disabled")
    if not issuer.any_subject:
        raise InvalidJwt("its subject is not a person here")
    if given.registry.clients.get(subject) is not None:
        # RFC 9068 §5: a subject must not be the id of a client.
        raise InvalidJwt("its subject is the id of a client")
    return subject


def _check_claims(
    given: JwtBearer,
    issuer: AssertionIssuerSettings,
    claims: Mapping[str, Any],
    now: int,
) -> None:
    ours = (given.issuer, f"{given.base_url}/oauth2/token")
    audience = listed(claims.get("aud"))
    if not any(name in audience for name in ours):
        raise InvalidJwt(f"aud must be {ours[0]}")
    expires = check_times(claims, now, LONGEST_SECONDS)
    digest = key_of(f"{issuer.issuer}\n{text_claim(claims, 'jti', 255)}")
    seen = Record(digest, "", {}, max(expires, now) + 60)
    if not given.records.add(_SEEN, seen, now):
        raise InvalidJwt("its jti was used before")


def _scope(issuer: AssertionIssuerSettings, request: TokenRequest) -> str:
    if "*" not in issuer.scopes and not set(request.scope.split(" ")) <= set(
        issuer.scopes
    ):
        raise OAuthError(
            "invalid_scope", "Assertions of this issuer may not have these scopes"
        )
    return request.scope
