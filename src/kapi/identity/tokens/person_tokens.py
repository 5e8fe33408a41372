"""Tokens of a person: access token, refresh token, ID token, and their family.

Called by each grant that acts for a person. An issue is stored before anything is signed, in one
transaction with the use of the code or refresh token, so that one of parallel uses succeeds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.accounts.users import User, Users
from kapi.identity.clients.clients import Client
from kapi.identity.minting.minter import AccessToken
from kapi.identity.minting.minting import Minting
from kapi.identity.minting.signer import Signer
from kapi.identity.people.authorized import Authorization
from kapi.identity.people.claims import claims_about
from kapi.identity.people.subjects import Subjects
from kapi.identity.protocol.details import chosen_details
from kapi.identity.protocol.resources import chosen_resources
from kapi.identity.tokens.hashes import half_hash
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.identity.tokens.still_allowed import may_refresh
from kapi.settings import IdentitySettings
from kapi.store.accounts import Accounts
from kapi.store.families import Families, Issue
from kapi.store.records import Record, Records, key_of

_USED_BEFORE: Final = (
    "This refresh token was used before; the authorization is revoked (RFC 9700 4.14.2)"
)
_UNKNOWN: Final = "The refresh token is unknown, expired or revoked"


@dataclass(frozen=True, slots=True)
class PersonTokens:
    """The values that issuing tokens of people needs."""

    identity: IdentitySettings
    issuer: str
    """`iss` of ID tokens."""
    users: Users
    accounts: Accounts
    """The accounts that ended."""
    families: Families
    records: Records
    """The codes and requests that tokens are issued for."""
    minting: Minting
    subjects: Subjects
    signer: Signer
    new_id: Callable[[], str]
    new_secret: Callable[[], str]

    def revoke(self, family: str, now: int, reason: str) -> None:
        """Revoke all tokens of one authorization, at the gateway too."""
        self.families.revoke(family, self.identity.issuer, now, reason)


def narrowed(authorization: Authorization, request: TokenRequest) -> Authorization:
    """The authorization with the resources and details of the token request, else with all of them.

    Raises OAuthError invalid_target or invalid_authorization_details for others.
    """
    if not request.resources and not request.details:
        return authorization
    resources = chosen_resources(request.resources, authorization.resources)
    return dataclasses.replace(
        authorization,
        resources=resources,
        details=chosen_details(request.details, authorization.details),
    )


def first_tokens(
    tokens: PersonTokens,
    client: Client,
    authorization: Authorization,
    now: int,
    *,
    family: str,
    source: tuple[str, str],
    code: str = "",
    issued_as: Authorization | None = None,
) -> Issuance:
    """Start a family and take its source: kind and key of the record of the authorization.

    `issued_as` is the authorization of the first access token, if that is narrower.
    Raises OAuthError invalid_grant when the source was taken before, whose tokens are then revoked.
    Raises invalid_target, with nothing taken, for resources that cannot share a token.
    """
    refresh = ""
    if may_refresh(client, authorization):
        refresh = tokens.new_secret()
    ends = authorization.auth_time + tokens.identity.refresh_token_lifetime
    issue = _issue(tokens, client, issued_as or authorization, now, refresh, ends)
    kept_until = issue.access_expires_at
    if refresh:
        kept_until = max(ends, kept_until)
    record = Record(family, authorization.sid, authorization.payload(), kept_until)
    if not tokens.families.start(record, issue, now, source):
        tokens.revoke(family, now, "a code was used twice")
        raise OAuthError(
            "invalid_grant",
            "This was used before; what it issued is revoked (RFC 6749 4.1.2)",
        )
    return issuance(
        tokens, client, issued_as or authorization, now, issue, refresh, code=code
    )


def next_tokens(
    tokens: PersonTokens,
    client: Client,
    authorization: Authorization,
    now: int,
    *,
    refresh_token: str,
    family: Record,
) -> Issuance:
    """Take a refresh token and issue the next tokens; without rotation it stays valid.

    Raises OAuthError invalid_grant when it was used before, and revokes the family. Raises
    invalid_target, with nothing taken, for resources that cannot share a token.
    """
    identity = tokens.identity
    refresh = ""
    if client.settings.refresh_token_rotation:
        refresh = tokens.new_secret()
    # The family may be stored for longer: until its last access token has expired.
    ends = min(
        family.expires_at, authorization.auth_time + identity.refresh_token_lifetime
    )
    issue = _issue(tokens, client, authorization, now, refresh, ends)
    key = key_of(refresh_token)
    if refresh:
        grace = identity.refresh_token_grace
        outcome = tokens.families.rotate(key, issue, now, grace)
    else:
        expires_at = min(now + identity.refresh_token_idle, ends)
        outcome = tokens.families.use(key, issue, now, expires_at)
    if outcome == "reused":
        tokens.revoke(family.key, now, "a refresh token was used twice")
        raise OAuthError("invalid_grant", _USED_BEFORE)
    if outcome == "unknown":
        raise OAuthError("invalid_grant", _UNKNOWN)
    return issuance(tokens, client, authorization, now, issue, refresh)


def _current_user(tokens: PersonTokens, authorization: Authorization) -> User:
    """The person of the authorization. Raises OAuthError when it may not be used any more."""
    user = tokens.users.get(authorization.user)
    ended_at = tokens.accounts.ended_at(authorization.user)
    if user is None or authorization.auth_time < ended_at:
        raise OAuthError("invalid_grant", "The person does not exist any more")
    if not user.belongs_to(authorization.organization):
        detail = "The person does not belong to the organization any more"
        raise OAuthError("invalid_grant", detail)
    return user


def issuance(
    tokens: PersonTokens,
    client: Client,
    authorization: Authorization,
    now: int,
    issue: Issue,
    refresh: str = "",
    *,
    code: str = "",
) -> Issuance:
    """The tokens of a stored issue."""
    user = _current_user(tokens, authorization)
    access = access_token(tokens, client, authorization, user, issue)
    identify: Callable[[str], Mapping[str, Any]] | None = None
    if "openid" in authorization.scope.split(" "):

        def identify(token: str) -> Mapping[str, Any]:
            return {
                "id_token": id_token(
                    tokens,
                    client,
                    authorization,
                    user,
                    now,
                    access_token=token,
                    code=code,
                )
            }

    extra: dict[str, Any] = {}
    if refresh:
        extra["refresh_token"] = refresh
    if authorization.details:
        extra["authorization_details"] = list(authorization.details)
    return Issuance(access, extra, with_token=identify)


def access_token(
    tokens: PersonTokens,
    client: Client,
    authorization: Authorization,
    user: User,
    issue: Issue,
) -> AccessToken:
    """The access token of a person, with the organization they signed in to and their groups."""
    claims: dict[str, Any] = {}
    if authorization.organization:
        claims["organization"] = authorization.organization
    if user.groups:
        claims["groups"] = list(user.groups)
    if authorization.details:
        claims["authorization_details"] = list(authorization.details)
    audience = _audience(tokens, client, authorization)
    return AccessToken(
        subject=tokens.subjects.of(client, user.subject),
        client_id=client.id,
        scope=authorization.scope,
        lifetime=tokens.minting.lifetime(client, audience),
        audience=audience,
        claims=claims,
        jti=issue.jti,
        user=user.subject,
    )


def front_channel_issue(
    tokens: PersonTokens, client: Client, authorization: Authorization, now: int
) -> Issue:
    """The stored issue of an access token of the authorization endpoint, in a separate family."""
    issue = _issue(tokens, client, authorization, now, "", 0)
    family = Record(
        tokens.new_id(),
        authorization.sid,
        authorization.payload(),
        issue.access_expires_at,
    )
    tokens.families.start(family, issue, now)
    return issue


def id_token(
    tokens: PersonTokens,
    client: Client,
    authorization: Authorization,
    user: User,
    now: int,
    *,
    access_token: str = "",
    code: str = "",
    alone: bool = False,
) -> str:
    """An ID token (OpenID Connect Core §2, §3.1.3.6).

    `alone`: no access token is issued with it, so that it contains the claims of the scopes (§5.4).
    """
    identity, algorithm = (
        tokens.identity,
        client.settings.id_token_signed_response_alg,
    )
    claims: dict[str, Any] = {
        "iss": tokens.issuer,
        "sub": tokens.subjects.of(client, user.subject),
        "aud": client.id,
        "azp": client.id,
        "exp": now + identity.id_token_lifetime,
        "iat": now,
        "auth_time": authorization.auth_time,
    }
    for name in ("acr", "nonce", "sid"):
        value = getattr(authorization, name)
        if value:
            claims[name] = value
    if authorization.amr:
        claims["amr"] = list(authorization.amr)
    if access_token:
        claims["at_hash"] = half_hash(algorithm, access_token)
    if code:
        claims["c_hash"] = half_hash(algorithm, code)
    about = claims_about(user, authorization, "id_token", scopes=alone)
    return tokens.signer.sign({**about, **claims}, "JWT", algorithm)


def _audience(
    tokens: PersonTokens, client: Client, authorization: Authorization
) -> tuple[str, ...]:
    return authorization.resources or tokens.minting.audience(client)


def _issue(
    tokens: PersonTokens,
    client: Client,
    authorization: Authorization,
    now: int,
    refresh: str,
    ends: int,
) -> Issue:
    audience = _audience(tokens, client, authorization)
    # Checked first: resources that cannot share a token must not use up the code.
    tokens.minting.resources.token_format(client, audience)
    expires = now + tokens.minting.lifetime(client, audience)
    if not refresh:
        return Issue(tokens.new_id(), expires, "", 0)
    idle = tokens.identity.refresh_token_idle
    return Issue(tokens.new_id(), expires, key_of(refresh), min(now + idle, ends))
