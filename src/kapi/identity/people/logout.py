"""Ends a session: its cookie, its authorizations without `offline_access`, and its clients.

Its clients are told also when the account of its person ends (`store/accounts.py`). Whom to tell
is stored in the transaction that ends the session (`store/logout_notices.py`).

The console, a client of the platform itself, is signed out with it.

OpenID Connect RP-Initiated, Back-Channel and Front-Channel Logout 1.0.
"""

from __future__ import annotations

import logging
from functools import partial
from urllib.parse import urlencode

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.clients.console_client import CONSOLE_CLIENT
from kapi.identity.people.sessions import Session, no_cookie
from kapi.identity.people.subjects import subject_for
from kapi.identity.protocol.forms import with_query
from kapi.identity.provider import Provider
from kapi.store.families import CONSOLE_SESSION
from kapi.store.logout_notices import LogoutNotice

EVENT = "http://schemas.openid.net/event/backchannel-logout"
_TOKEN_SECONDS = 120
_LOG = logging.getLogger("kapi.identity")


def end_session(
    provider: Provider, session: Session, now: int
) -> tuple[str, tuple[str, ...]]:
    """End a session.

    Returns the Set-Cookie value that removes its cookie, and the addresses that a page must load
    (front-channel logout).
    """
    issuer = provider.settings.identity.issuer
    provider.families.revoke_session(session, issuer, now, "the session ended")
    if CONSOLE_CLIENT in session.clients:
        provider.records.delete_held(CONSOLE_SESSION, session.user)
    send_notices(provider, now)
    frames = []
    for client in _clients(provider, session, now):
        if client.settings.frontchannel_logout_uri:
            frames.append(_front_channel(provider.issuer, client, session))
    return no_cookie(), tuple(frames)


def send_notices(provider: Provider, now: int) -> None:
    """Send the logout tokens that are due, in a thread: also those that others left."""
    provider.notices.wake(now, partial(_notice_form, provider))


def _notice_form(
    provider: Provider, notice: LogoutNotice, now: int
) -> tuple[str, bytes] | None:
    """Where a notice is posted, and the form; None if the client has no back channel any more.

    Raises OAuthError (Back-Channel Logout §2.5).
    """
    client = provider.registry.client(notice.client_id, now)
    if client is None or not client.settings.backchannel_logout_uri:
        return None
    form = urlencode({"logout_token": logout_token(provider, client, notice, now)})
    return client.settings.backchannel_logout_uri, form.encode("ascii")


def _clients(provider: Provider, session: Session, now: int) -> list[Client]:
    """The clients of a session that exist and can be read."""
    found = []
    for client_id in session.clients:
        try:
            client = provider.registry.client(client_id, now)
        except OAuthError as error:
            _LOG.warning(
                "a client of an ended session cannot be read: %s", error.detail
            )
            continue
        if client is not None:
            found.append(client)
    return found


def _of_session(provider: Provider, session: Session) -> Provider:
    """The provider under the host name at which the person signed in."""
    for other in provider.by_host.values():
        if other.issuer == session.issuer:
            return other
    return provider


def revoke_session(provider: Provider, session: Session, now: int) -> None:
    """End a session from outside its browser, as a logout does.

    Its clients are notified over the back channel; the front channel needs the browser.
    """
    end_session(_of_session(provider, session), session, now)


def logout_token(
    provider: Provider, client: Client, notice: LogoutNotice, now: int
) -> str:
    """A logout token (Back-Channel Logout §2.4): without a nonce, which an ID token may have."""
    claims = {
        "iss": notice.issuer or provider.settings.identity.issuer,
        "sub": subject_for(provider, client, notice.person),
        "aud": client.id,
        "iat": now,
        "exp": now + _TOKEN_SECONDS,
        "jti": provider.new_id(),
        "events": {EVENT: {}},
        "sid": notice.sid,
    }
    return provider.signer.sign(
        claims, "logout+jwt", client.settings.id_token_signed_response_alg
    )


def _front_channel(issuer: str, client: Client, session: Session) -> str:
    """With issuer and session id (Front-Channel Logout §2)."""
    uri = client.settings.frontchannel_logout_uri
    return with_query(uri, {"iss": issuer, "sid": session.sid})
