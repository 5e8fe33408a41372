"""Token exchange (RFC 8693): a token for another service, as the client's settings allow.

With delegation, the default, `act` of the new token (§4.1) contains the actor and previous actors.
With impersonation it is omitted. `may_act` of a subject token (§4.4) limits the actors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.grants.facts import GrantFacts
from kapi.identity.minting.minter import AccessToken
from kapi.identity.minting.minting import Minting
from kapi.identity.minting.signer import Signer
from kapi.identity.people.ended import tied
from kapi.identity.provider import Provider
from kapi.identity.tokens.exchanged_tokens import (
    ACCESS_TOKEN,
    ID_TOKEN,
    JWT,
    ExchangedTokens,
    present,
)
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.identity.tokens.presented import Presented
from kapi.settings.identity.resources import is_resource
from kapi.store.families import Families

facts = GrantFacts(
    grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
    public_clients=False,
    registrable=True,
    document_clients=False,
    fapi=True,
    quick=False,
    parameters={
        "subject_token": "RFC 8693",
        "subject_token_type": "RFC 8693",
        "requested_token_type": "RFC 8693",
        "audience": "RFC 8693",
    },
)
_DEEPEST = 10
"""Nested actors."""
_CARRIED = ("organization", "groups", "acr", "amr", "auth_time", "sub_id")


@dataclass(frozen=True, slots=True)
class TokenExchange:
    """The values that token exchange needs."""

    presented: ExchangedTokens
    minting: Minting
    families: Families
    new_id: Callable[[], str]
    issuer: str
    signer: Signer


def needs(provider: Provider) -> TokenExchange:
    """The values for presented and new tokens."""
    return TokenExchange(
        presented=provider.exchanged_tokens,
        minting=provider.minting,
        families=provider.families,
        new_id=provider.new_id,
        issuer=provider.issuer,
        signer=provider.signer,
    )


def authorize(given: TokenExchange, request: TokenRequest) -> Issuance:
    """The new token. Raises OAuthError: invalid_request, invalid_target, invalid_scope."""
    client, form = request.client, request.form
    wanted = form.get("requested_token_type") or ACCESS_TOKEN
    if wanted not in {ACCESS_TOKEN, JWT, ID_TOKEN}:
        raise OAuthError(
            "invalid_request",
            "requested_token_type must be an access token, a JWT or an ID token (RFC 8693 3)",
        )
    subject = present(given.presented, request, "subject_token")
    actor = _actor(given, request)
    _may_present(client, subject)
    acting = _acting(given, client, subject, actor)
    audience = _audience(given.minting, request)
    scope = _scope(request, subject)
    lifetime = min(
        given.minting.lifetime(client, audience), subject.expires_at - request.now
    )
    claims = {}
    for name in _CARRIED:
        if name in subject.claims:
            claims[name] = subject.claims[name]
    if acting:
        claims["act"] = acting
    if wanted == ID_TOKEN:
        return _id_token(given, request, subject, claims, lifetime)
    access = AccessToken(
        subject=subject.subject,
        client_id=client.id,
        scope=scope,
        lifetime=lifetime,
        audience=audience,
        claims=claims,
        jti=tied(given.families, given.new_id, subject.user, request.now + lifetime),
        user=subject.user,
        readable=wanted == JWT,
    )
    return Issuance(access, {"issued_token_type": wanted})


def _actor(given: TokenExchange, request: TokenRequest) -> Presented | None:
    """The actor token, if the request has one."""
    if request.form.get("actor_token"):
        return present(given.presented, request, "actor_token")
    if request.form.get("actor_token_type"):
        raise OAuthError(
            "invalid_request",
            "actor_token_type is sent without actor_token (RFC 8693 2.1)",
        )
    return None


def _may_present(client: Client, subject: Presented) -> None:
    """Check that the subject token is issued to the client, for it, or to one of `exchange_from`.

    Other issuers have clients of their own: there the settings name the issuer, and its declaration
    the audiences.
    """
    if subject.issuer or client.id in {subject.client_id, *subject.audience}:
        return
    if {"*", subject.client_id}.isdisjoint(client.settings.exchange_from):
        raise OAuthError(
            "invalid_request",
            "The client may not exchange this subject_token:"
            " it was issued neither to it nor for it",
        )


def _acting(
    given: TokenExchange, client: Client, subject: Presented, actor: Presented | None
) -> Mapping[str, Any] | None:
    """The `act` claim; None for impersonation."""
    may_act = subject.claims.get("may_act")
    if may_act is not None and not _named(given, may_act, subject, client, actor):
        raise OAuthError(
            "invalid_request",
            "The subject_token's may_act names another actor (RFC 8693 4.4)",
        )
    if actor is None and client.settings.exchange_impersonates:
        return None
    made: dict[str, Any] = {"sub": client.id}
    if actor is not None:
        made = dict(actor.named)
    before = subject.claims.get("act")
    if _depth(before) >= _DEEPEST:
        raise OAuthError(
            "invalid_request", f"At most {_DEEPEST} actors may follow each other"
        )
    if isinstance(before, Mapping):
        made["act"] = before
    return made


def _depth(act: Any) -> int:
    depth = 0
    while isinstance(act, Mapping):
        depth, act = depth + 1, act.get("act")
    return depth


def _named(
    given: TokenExchange,
    may_act: Any,
    subject: Presented,
    client: Client,
    actor: Presented | None,
) -> bool:
    """Whether `may_act` names the actor. Without `iss` it is of the subject token's issuer."""
    if not isinstance(may_act, Mapping) or not may_act:
        return False
    ours = given.issuer
    own: dict[str, Any] = {"sub": client.id, "client_id": client.id, "iss": ours}
    if actor is not None:
        own = {**actor.claims, "client_id": actor.client_id, "iss": ours, **actor.named}
    named = {"iss": subject.issuer or ours, **may_act}
    return all(own.get(name) == value for name, value in named.items())


def _audience(minting: Minting, request: TokenRequest) -> tuple[str, ...]:
    repeated = request.form.repeated
    resources = repeated.get("resource", ())
    for resource in resources:
        if not is_resource(resource):
            raise OAuthError(
                "invalid_target",
                "resource must be an absolute URI without a fragment (RFC 8693 2.1)",
            )
    wanted = (*repeated.get("audience", ()), *resources)
    allowed = set(request.client.settings.exchange_audiences)
    if len(wanted) > 10 or not ("*" in allowed or allowed.issuperset(wanted)):
        raise OAuthError(
            "invalid_target",
            "The client may not ask for a token for this audience or resource",
        )
    return tuple(dict.fromkeys(wanted)) or minting.audience(request.client)


def _scope(request: TokenRequest, subject: Presented) -> str:
    """At most the scopes of the subject token; an ID token has none, so those of the client."""
    if request.form.get("scope") is None:
        return " ".join(filter(request.client.allows, subject.scopes)) or request.scope
    if subject.scopes and not set(request.scope.split(" ")) <= set(subject.scopes):
        raise OAuthError("invalid_scope", "More scopes than the subject_token has")
    return request.scope


def _id_token(
    given: TokenExchange,
    request: TokenRequest,
    subject: Presented,
    claims: Mapping[str, Any],
    lifetime: int,
) -> Issuance:
    """An ID token, with the `token_type` N_A (§2.2.1)."""
    if not subject.user:
        raise OAuthError(
            "invalid_request", "An ID token is about a person, but the subject is not"
        )
    client, now = request.client, request.now
    said = {
        "iss": given.issuer,
        "sub": subject.subject,
        "aud": client.id,
        "azp": client.id,
        "exp": now + lifetime,
        "iat": now,
        "auth_time": now,
        **claims,
    }
    token = given.signer.sign(said, "JWT", client.settings.id_token_signed_response_alg)
    access = AccessToken(
        subject.subject, client.id, "openid", lifetime, user=subject.user
    )
    return Issuance(
        access,
        {"access_token": token, "token_type": "N_A", "issued_token_type": ID_TOKEN},
    )
