"""The JWT bearer grant (RFC 7523 §2.1): an access token for an assertion of a trusted issuer, once.

The issuers are those of `[[identity.assertion_issuers]]`. Their settings decide keys and
algorithms, not the assertion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.clients.clients import client_of
from kapi.identity.clients.keys import keys_of
from kapi.identity.clients.remote_documents import RemoteDocuments
from kapi.identity.grants.facts import GrantFacts
from kapi.identity.minting.minter import AccessToken
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
from kapi.store.records import Record, key_of

facts = GrantFacts(
    grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer",
    public_clients=True,
    registrable=True,
    document_clients=False,
    fapi=True,
    quick=False,
)
LONGEST_SECONDS = 3600
_TYPES = ("", "jwt", "authorization-grant+jwt")
_SEEN = "assertion"


def authorize(provider: Provider, request: TokenRequest) -> Issuance:
    """A token for the subject. Raises OAuthError invalid_grant with the reason."""
    assertion = request.form.need("assertion")
    audience = request.resources or provider.minting.audience(request.client)
    # Checked first: resources that cannot share a token must not use up the assertion.
    provider.resources.token_format(request.client, audience)
    try:
        issuer, jwt = _read(provider.settings.identity, assertion)
        if not {"*", request.client.id} & set(issuer.clients):
            raise InvalidJwt("this client may not use assertions of its issuer")
        check_signature(jwt, _keys(provider.documents, issuer, jwt, request.now))
        subject = _subject(provider, issuer, jwt.claims)
        _check_claims(provider, issuer, jwt.claims, request.now)
    except InvalidJwt as error:
        raise OAuthError(
            "invalid_grant", f"The assertion is refused: {error}"
        ) from error
    scope = _scope(issuer, request)
    client = request.client
    lifetime = provider.minting.lifetime(client, audience)
    user, account, claims = provider.users.get(subject), "", {}
    if user is not None:
        account = subject
        if len(user.organizations) == 1:
            claims["organization"] = user.organizations[0]
    jti = tied(provider.families, provider.new_id, account, request.now + lifetime)
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
    provider: Provider, issuer: AssertionIssuerSettings, claims: Mapping[str, Any]
) -> str:
    """`sub` of the token. An assertion may name a person by user name or by subject."""
    subject = text_claim(claims, "sub", 255)
    person = provider.users.named(subject) or provider.users.get(subject)
    if person is not None:
        return person.subject
    if provider.users.account(subject) is not None:
        raise InvalidJwt("the account of its subject is disabled")
    if not issuer.any_subject:
        raise InvalidJwt("its subject is not a person here")
    if provider.clients.get(subject) is not None:
        # RFC 9068 §5: a subject must not be the id of a client.
        raise InvalidJwt("its subject is the id of a client")
    return subject


def _check_claims(
    provider: Provider,
    issuer: AssertionIssuerSettings,
    claims: Mapping[str, Any],
    now: int,
) -> None:
    ours = (provider.issuer, f"{provider.base_url}/oauth2/token")
    audience = listed(claims.get("aud"))
    if not any(name in audience for name in ours):
        raise InvalidJwt(f"aud must be {ours[0]}")
    expires = check_times(claims, now, LONGEST_SECONDS)
    digest = key_of(f"{issuer.issuer}\n{text_claim(claims, 'jti', 255)}")
    seen = Record(digest, "", {}, max(expires, now) + 60)
    if not provider.records.add(_SEEN, seen, now):
        raise InvalidJwt("its jti was used before")


def _scope(issuer: AssertionIssuerSettings, request: TokenRequest) -> str:
    if "*" not in issuer.scopes and not set(request.scope.split(" ")) <= set(
        issuer.scopes
    ):
        raise OAuthError(
            "invalid_scope", "Assertions of this issuer may not have these scopes"
        )
    return request.scope
