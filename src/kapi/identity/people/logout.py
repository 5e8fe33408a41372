"""Ending a session: its cookie, what it issued without `offline_access`, and telling the clients that knew of it.

OpenID Connect RP-Initiated, Back-Channel and Front-Channel Logout 1.0.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from kapi.identity.clients.clients import Client
from kapi.identity.people.sessions import Session, sign_out
from kapi.identity.people.subjects import subject_for
from kapi.identity.provider import Provider
from kapi.identity.tokens.person_tokens import revoke_family

EVENT = "http://schemas.openid.net/event/backchannel-logout"
_TOKEN_SECONDS = 120


def end_session(provider: Provider, session: Session, now: int) -> tuple[str, tuple[str, ...]]:
    """End it. The Set-Cookie value that removes its cookie, and the addresses that a page must load (front-channel)."""
    cookie = sign_out(provider, session)
    for family in provider.families.of_session(session.sid, now):
        if "offline_access" not in str(family.payload.get("scope", "")).split(" "):
            revoke_family(provider, family.key, now, "the session ended")
    clients = [
        client
        for client_id in session.clients
        if (client := provider.client(client_id, now)) is not None
    ]
    for client in clients:
        if client.settings.backchannel_logout_uri:
            form = urlencode({"logout_token": logout_token(provider, client, session, now)})
            provider.notices.send(client.settings.backchannel_logout_uri, form.encode("ascii"))
    frames = tuple(
        _front_channel(provider, client, session)
        for client in clients
        if client.settings.frontchannel_logout_uri
    )
    return cookie, frames


def logout_token(provider: Provider, client: Client, session: Session, now: int) -> str:
    """A logout token (Back-Channel Logout §2.4). It has no nonce, and a `typ` of its own: it must never pass for an ID token."""
    claims = {
        "iss": provider.settings.identity.issuer,
        "sub": subject_for(provider, client, session.user),
        "aud": client.id,
        "iat": now,
        "exp": now + _TOKEN_SECONDS,
        "jti": provider.new_id(),
        "events": {EVENT: {}},
        "sid": session.sid,
    }
    return provider.sign(claims, "logout+jwt", client.settings.id_token_signed_response_alg)


def _front_channel(provider: Provider, client: Client, session: Session) -> str:
    """With issuer and session id, which tell the client's page whose session ended (Front-Channel Logout §2)."""
    uri = client.settings.frontchannel_logout_uri
    joint = "&" if urlsplit(uri).query else "?"
    return (
        f"{uri}{joint}{urlencode({'iss': provider.settings.identity.issuer, 'sid': session.sid})}"
    )
