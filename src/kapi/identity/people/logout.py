"""Ends a session: its cookie, its authorizations without `offline_access`, and its clients.

OpenID Connect RP-Initiated, Back-Channel and Front-Channel Logout 1.0.
"""

from __future__ import annotations

from urllib.parse import urlencode

from kapi.identity.clients.clients import Client
from kapi.identity.people.sessions import Session, sign_out
from kapi.identity.people.subjects import subject_for
from kapi.identity.protocol.forms import with_query
from kapi.identity.provider import Provider

EVENT = "http://schemas.openid.net/event/backchannel-logout"
_TOKEN_SECONDS = 120


def end_session(provider: Provider, session: Session, now: int) -> tuple[str, tuple[str, ...]]:
    """End a session.

    Returns the Set-Cookie value that removes its cookie, and the addresses that a page must load
    (front-channel logout).
    """
    cookie = sign_out(provider.records, session)
    for family in provider.families.of_session(session.sid, now):
        if "offline_access" not in str(family.payload.get("scope", "")).split(" "):
            provider.revoke_family(family.key, now, "the session ended")
    frames = []
    for client_id in session.clients:
        client = provider.client(client_id, now)
        if client is None:
            continue
        if client.settings.backchannel_logout_uri:
            form = urlencode({"logout_token": logout_token(provider, client, session, now)})
            provider.notices.send(client.settings.backchannel_logout_uri, form.encode("ascii"))
        if client.settings.frontchannel_logout_uri:
            frames.append(_front_channel(provider.settings.identity.issuer, client, session))
    return cookie, tuple(frames)


def logout_token(provider: Provider, client: Client, session: Session, now: int) -> str:
    """A logout token (Back-Channel Logout §2.4): without a nonce, which an ID token may have."""
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


def _front_channel(issuer: str, client: Client, session: Session) -> str:
    """With issuer and session id (Front-Channel Logout §2)."""
    uri = client.settings.frontchannel_logout_uri
    return with_query(uri, {"iss": issuer, "sid": session.sid})
