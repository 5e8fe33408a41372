"""Token introspection (RFC 7662), as JSON or as a signed JWT (RFC 9701). The caller authenticates like at the token endpoint.

A token that is unknown, expired, revoked, another server's, or none of the caller's business gets one and the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.client_authentication import authenticate_client, methods_supported
from kapi.identity.client_authentication.attempt import invalid_client
from kapi.identity.clients.clients import Client
from kapi.identity.people.subjects import subject_for
from kapi.identity.protocol.forms import check_media_type, parse_form
from kapi.identity.protocol.http import NO_STORE, Answer, Request, json_answer
from kapi.identity.provider import Provider
from kapi.identity.tokens.access_tokens import live_own
from kapi.identity.tokens.authorized import authorization_of
from kapi.identity.tokens.still_allowed import may_refresh, still_allowed
from kapi.store.records import key_of

methods = ("POST",)
PATH = "/oauth2/introspect"
_JWT = "application/token-introspection+jwt"
_SHOWN = (
    "iss",
    "sub",
    "sub_id",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "scope",
    "cnf",
    "act",
    "organization",
    "groups",
    "authorization_details",
    "acr",
    "auth_time",
)
_UNKNOWN: Mapping[str, Any] = {"active": False}


def paths(provider: Provider) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """One."""
    return (PATH,)


def metadata(provider: Provider) -> Mapping[str, Any]:
    """Where it is, and how callers authenticate."""
    return {
        "introspection_endpoint": f"{provider.base_url}{PATH}",
        "introspection_endpoint_auth_methods_supported": [
            name for name in methods_supported(provider.settings.identity) if name != "none"
        ],
        "introspection_signing_alg_values_supported": list(provider.keyring.algorithms),
    }


def quick(provider: Provider, request: Request) -> bool:  # noqa: ARG001 - the endpoint contract
    """With a secret there is nothing to write and nothing to fetch, only a row or two to read."""
    secret = request.header("authorization") is not None or b"client_secret=" in request.body
    return secret and b"client_assertion" not in request.body


def answer(provider: Provider, request: Request) -> Answer:
    """What a token is, to whom may know it."""
    check_media_type(request.header("content-type") or "")
    form = parse_form(request.body)
    client = authenticate_client(provider, form.values, request.credentials, request.now)
    if client.is_public:
        raise invalid_client("A public client may not ask about tokens: it cannot prove who it is")
    found = introspected(provider, client, form.need("token"), request.now)
    if (
        _JWT not in (request.header("accept") or "")
        and not client.settings.introspection_signed_response_alg
    ):
        return json_answer(found)
    claims = {
        "iss": provider.settings.identity.issuer,
        "aud": client.id,
        "iat": request.now,
        "token_introspection": found,
    }
    algorithm = client.settings.introspection_signed_response_alg or "RS256"
    signed = provider.sign(claims, "token-introspection+jwt", algorithm)
    return Answer(200, (("content-type", _JWT), *NO_STORE), signed.encode("ascii"))


def introspected(provider: Provider, client: Client, token: str, now: int) -> Mapping[str, Any]:
    """The members of the answer (RFC 7662 §2.2). Which kind of token it is, the token says; a hint is not needed."""
    return (
        _access_token(provider, client, token, now)
        or _refresh_token(provider, client, token, now)
        or _UNKNOWN
    )


def _access_token(
    provider: Provider, client: Client, token: str, now: int
) -> Mapping[str, Any] | None:
    own = live_own(provider, token, now)
    if own is None or not _may_know(client, own.client_id, own.claims.get("aud")):
        return None
    confirmation = own.confirmation
    token_type = confirmation.token_type if confirmation else "Bearer"
    subject = own.claims.get("sub")
    person = provider.users.get(str(subject)) if subject != own.client_id else None
    return {
        "active": True,
        "client_id": own.client_id,
        "token_type": token_type,
        **({"username": person.username} if person else {}),
        **{name: own.claims[name] for name in _SHOWN if name in own.claims},
    }


def _may_know(client: Client, owner: str, audience: Any) -> bool:
    """Its own tokens, those meant for it, and those of the audiences that it answers for."""
    names = (
        {audience}
        if isinstance(audience, str)
        else set(audience)
        if isinstance(audience, list)
        else set()
    )
    allowed = set(client.settings.introspects)
    return client.id == owner or client.id in names or "*" in allowed or bool(allowed & names)


def _refresh_token(
    provider: Provider, client: Client, token: str, now: int
) -> Mapping[str, Any] | None:
    """A refresh token is its own client's business alone."""
    record = provider.families.of_refresh(key_of(token), now)
    family = (
        provider.families.get(record.family, now)
        if record is not None and record.consumed_at is None
        else None
    )
    if record is None or family is None or family.payload["client_id"] != client.id:
        return None
    try:
        authorization = still_allowed(client, authorization_of(family.payload))
    except OAuthError:
        return None
    if provider.users.get(authorization.user) is None or not may_refresh(client, authorization):
        return None
    return {
        "active": True,
        "iss": provider.settings.identity.issuer,
        "client_id": client.id,
        "token_type": "refresh_token",
        "exp": min(record.expires_at, family.expires_at),
        "scope": authorization.scope,
        "sub": subject_for(provider, client, authorization.user),
    }
