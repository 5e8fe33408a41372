"""Token exchange (RFC 8693): a client turns a token of somebody into one for another service, as that client's settings allow.

Delegation unless the settings say otherwise: the new token names who acts in `act` (§4.1), with those who acted before inside.
Impersonation leaves that out. A subject token's `may_act` (§4.4) limits who may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.grants.facts import GrantFacts
from kapi.identity.people.ended import tied
from kapi.identity.provider import Provider
from kapi.identity.tokens.exchanged_tokens import ACCESS_TOKEN, ID_TOKEN, JWT, present
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.identity.tokens.minting import AccessToken
from kapi.identity.tokens.presented import Presented
from kapi.settings.identity.resources import is_resource

facts = GrantFacts(
    grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
    public_clients=False,
    registrable=True,
    document_clients=False,
    fapi=True,
    quick=False,
)
_DEEPEST = 10
"""Actors inside each other."""
_CARRIED = ("organization", "groups", "acr", "amr", "auth_time", "sub_id")


def authorize(provider: Provider, request: TokenRequest) -> Issuance:
    """The new token. Raises OAuthError: invalid_request for a token that is not good, invalid_target, invalid_scope."""
    client, form = request.client, request.form
    wanted = form.get("requested_token_type") or ACCESS_TOKEN
    if wanted not in {ACCESS_TOKEN, JWT, ID_TOKEN}:
        raise OAuthError(
            "invalid_request",
            "requested_token_type must be an access token, a JWT or an ID token (RFC 8693 3)",
        )
    subject = present(provider, request, "subject_token")
    actor = present(provider, request, "actor_token") if form.get("actor_token") else None
    if actor is None and form.get("actor_token_type"):
        raise OAuthError(
            "invalid_request", "actor_token_type stands without an actor_token (RFC 8693 2.1)"
        )
    _may_present(client, subject)
    acting = _acting(provider, client, subject, actor)
    audience = _audience(provider, request)
    scope = _scope(request, subject)
    lifetime = min(provider.lifetime(client, audience), subject.expires_at - request.now)
    claims = {name: subject.claims[name] for name in _CARRIED if name in subject.claims} | (
        {"act": acting} if acting else {}
    )
    if wanted == ID_TOKEN:
        return _id_token(provider, request, subject, claims, lifetime)
    access = AccessToken(
        subject=subject.subject,
        client_id=client.id,
        scope=scope,
        lifetime=lifetime,
        audience=audience,
        claims=claims,
        jti=tied(provider, subject.user, request.now + lifetime),
        user=subject.user,
        readable=wanted == JWT,
    )
    return Issuance(access, {"issued_token_type": wanted})


def _may_present(client: Client, subject: Presented) -> None:
    """Whose tokens a client may exchange: those issued to it or for it, and of the clients its settings name.

    Other issuers have clients of their own; there the settings name the issuer, and its declaration the audiences.
    """
    if subject.issuer:
        return
    allowed = client.settings.exchange_from
    if (
        subject.client_id != client.id
        and client.id not in subject.audience
        and not {"*", subject.client_id} & set(allowed)
    ):
        raise OAuthError(
            "invalid_request",
            "The client may not exchange this subject_token: it was issued neither to it nor for it",
        )


def _acting(
    provider: Provider, client: Client, subject: Presented, actor: Presented | None
) -> Mapping[str, Any] | None:
    """The `act` claim; None for impersonation."""
    may_act = subject.claims.get("may_act")
    if may_act is not None and not _named(provider, may_act, subject, client, actor):
        raise OAuthError(
            "invalid_request", "The subject_token's may_act names somebody else (RFC 8693 4.4)"
        )
    if actor is None and client.settings.exchange_impersonates:
        return None
    made: dict[str, Any] = dict(actor.named) if actor else {"sub": client.id}
    before, depth = subject.claims.get("act"), 0
    inner = before
    while isinstance(inner, Mapping):
        depth, inner = depth + 1, inner.get("act")
    if depth >= _DEEPEST:
        raise OAuthError("invalid_request", f"At most {_DEEPEST} actors may follow each other")
    return {**made, "act": before} if isinstance(before, Mapping) else made


def _named(
    provider: Provider, may_act: Any, subject: Presented, client: Client, actor: Presented | None
) -> bool:
    """Whether `may_act` means who acts. Without an `iss` it means somebody whom the subject token's issuer knows."""
    if not isinstance(may_act, Mapping) or not may_act:
        return False
    ours = provider.settings.identity.issuer
    own: dict[str, Any] = {"sub": client.id, "client_id": client.id, "iss": ours}
    if actor is not None:
        own = {**actor.claims, "client_id": actor.client_id, "iss": ours, **actor.named}
    return all(
        own.get(name) == value for name, value in {"iss": subject.issuer or ours, **may_act}.items()
    )


def _audience(provider: Provider, request: TokenRequest) -> tuple[str, ...]:
    repeated = request.form.repeated
    resources = repeated.get("resource", ())
    for resource in resources:
        if not is_resource(resource):
            raise OAuthError(
                "invalid_target",
                "resource must be an absolute URI without a fragment (RFC 8693 2.1)",
            )
    wanted = (*repeated.get("audience", ()), *resources)
    allowed = request.client.settings.exchange_audiences
    if len(wanted) > 10 or any("*" not in allowed and name not in allowed for name in wanted):
        raise OAuthError(
            "invalid_target", "The client may not ask for a token for this audience or resource"
        )
    return tuple(dict.fromkeys(wanted)) or provider.audience(request.client)


def _scope(request: TokenRequest, subject: Presented) -> str:
    """At most what the subject token had; that of an ID token is for the client's own scopes to limit."""
    if request.form.get("scope") is None:
        kept = (
            [name for name in subject.scopes if request.client.allows(name)]
            if subject.scopes
            else []
        )
        return " ".join(kept) or request.scope
    if subject.scopes and not set(request.scope.split(" ")) <= set(subject.scopes):
        raise OAuthError("invalid_scope", "More scopes than the subject_token has")
    return request.scope


def _id_token(
    provider: Provider,
    request: TokenRequest,
    subject: Presented,
    claims: Mapping[str, Any],
    lifetime: int,
) -> Issuance:
    """An ID token is no access token: `token_type` is N_A (§2.2.1)."""
    if not subject.user:
        raise OAuthError(
            "invalid_request", "The subject is no person, so there is no ID token of it"
        )
    client, now = request.client, request.now
    said = {
        "iss": provider.settings.identity.issuer,
        "sub": subject.subject,
        "aud": client.id,
        "azp": client.id,
        "exp": now + lifetime,
        "iat": now,
        "auth_time": claims.get("auth_time", now),
        **{name: value for name, value in claims.items() if name != "auth_time"},
    }
    token = provider.sign(said, "JWT", client.settings.id_token_signed_response_alg)
    access = AccessToken(subject.subject, client.id, "openid", lifetime, user=subject.user)
    return Issuance(
        access, {"access_token": token, "token_type": "N_A", "issued_token_type": ID_TOKEN}
    )
