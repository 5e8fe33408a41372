"""The UserInfo endpoint (OpenID Connect Core §5.3): claims about the person, as JSON or signed."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.accounts.users import Users
from kapi.identity.minting.signer import Signer
from kapi.identity.people.authorized import Authorization, authorization_of
from kapi.identity.people.claims import SCOPE_CLAIMS, claims_about
from kapi.identity.people.subjects import Subjects
from kapi.identity.protocol.forms import check_media_type, parse_form
from kapi.identity.protocol.http import (
    ANY_ORIGIN,
    NO_STORE,
    Answer,
    Request,
    json_answer,
)
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider
from kapi.identity.tokens.access_tokens import OwnAccessTokens, OwnToken, bearer
from kapi.store.families import Families

methods = ("GET", "POST")
quick = False
PATH = "/oauth2/userinfo"


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the endpoint."""
    return (PATH,)


def metadata(published: Published) -> Mapping[str, Any]:
    """Its address and its claims."""
    names = itertools.chain.from_iterable(SCOPE_CLAIMS.values())
    of_tokens = (
        "iss",
        "sub",
        "aud",
        "azp",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "sid",
        "at_hash",
        "c_hash",
        "organization",
    )
    return {
        "userinfo_endpoint": f"{published.base_url}{PATH}",
        "userinfo_signing_alg_values_supported": list(published.algorithms),
        "claims_supported": list(dict.fromkeys((*of_tokens, *names))),
        "claim_types_supported": ["normal"],
    }


def _authorization(families: Families, token: OwnToken, now: int) -> Authorization:
    """The authorization of an access token, with the scopes of the token."""
    issued = families.of_access(token.jti, now)
    if issued is None:
        raise _not_about_a_person()
    family = families.get(issued.family, now)
    if family is None:
        raise _not_about_a_person()
    scope = str(token.claims["scope"])
    return dataclasses.replace(authorization_of(family.payload), scope=scope)


def _not_about_a_person() -> OAuthError:
    return OAuthError(
        "invalid_token",
        "The access token is not about a person",
        status=401,
        challenge='Bearer error="invalid_token"',
    )


@dataclass(frozen=True, slots=True)
class UserInfo:
    """The values that the UserInfo endpoint needs."""

    tokens: OwnAccessTokens
    families: Families
    users: Users
    subjects: Subjects
    issuer: str
    signer: Signer


def needs(provider: Provider) -> UserInfo:
    """The values for access tokens and people."""
    return UserInfo(
        tokens=provider.own_access_tokens,
        families=provider.families,
        users=provider.users,
        subjects=provider.subjects,
        issuer=provider.issuer,
        signer=provider.signer,
    )


def answer(given: UserInfo, request: Request) -> Answer:
    """The claims that the token's scopes and the `claims` parameter give the client."""
    in_form: str | None = None
    if request.method == "POST" and request.body:
        check_media_type(request.header("content-type") or "")
        in_form = parse_form(request.body).get("access_token")
    token = bearer(given.tokens, request, "openid", in_form)
    authorization = _authorization(given.families, token, request.now)
    user = given.users.get(authorization.user)
    client = given.tokens.registry.client(authorization.client_id, request.now)
    if user is None or client is None:
        raise _not_about_a_person()
    about = {
        **claims_about(user, authorization, "userinfo"),
        "sub": given.subjects.of(client, user.subject),
    }
    algorithm = client.settings.userinfo_signed_response_alg
    if not algorithm:
        return json_answer(about)
    signed = given.signer.sign(
        {**about, "iss": given.issuer, "aud": client.id}, "JWT", algorithm
    )
    return Answer(
        200,
        (("content-type", "application/jwt"), *NO_STORE, *ANY_ORIGIN),
        signed.encode("ascii"),
    )
