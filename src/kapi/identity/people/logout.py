"""Ends a session: its cookie, its authorizations without `offline_access`, and its clients.

Its clients are also notified when the account of its person ends (`store/accounts.py`). The
notices are stored in the transaction that ends the session (`store/logout_notices.py`).

The console, a client of the platform itself, is signed out too.

OpenID Connect RP-Initiated, Back-Channel and Front-Channel Logout 1.0.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.clients.console_client import CONSOLE_CLIENT
from kapi.identity.clients.notices import Notices
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.minting.signer import Signer
from kapi.identity.people.sessions import Session, no_cookie
from kapi.identity.people.subjects import Subjects
from kapi.identity.protocol.forms import with_query
from kapi.store.families import CONSOLE_SESSION, Families
from kapi.store.logout_notices import LogoutNotice
from kapi.store.records import Records

EVENT = "http://schemas.openid.net/event/backchannel-logout"
_TOKEN_SECONDS = 120
_LOG = logging.getLogger("kapi.identity")


@dataclass(frozen=True, slots=True)
class Logout:
    """The values that ending sessions and notifying their clients needs."""

    issuer: str
    """`iss` in the front-channel requests."""
    stored_issuer: str
    """`iss` in the store."""
    records: Records
    families: Families
    registry: ClientRegistry
    notices: Notices
    subjects: Subjects
    signer: Callable[[], Signer]
    """The current one: a notice may be sent after the keys have changed."""
    new_id: Callable[[], str]


def end_session(
    logout: Logout, session: Session, now: int
) -> tuple[str, tuple[str, ...]]:
    """End a session.

    Returns the Set-Cookie value that removes its cookie, and the addresses that a page must load
    (front-channel logout).
    """
    issuer = logout.stored_issuer
    logout.families.revoke_session(session, issuer, now, "the session ended")
    if CONSOLE_CLIENT in session.clients:
        logout.records.delete_held(CONSOLE_SESSION, session.user)
    send_notices(logout, now)
    frames = []
    for client in _clients(logout, session, now):
        if client.settings.frontchannel_logout_uri:
            frames.append(_front_channel(logout.issuer, client, session))
    return no_cookie(), tuple(frames)


def send_notices(logout: Logout, now: int) -> None:
    """Send the logout tokens that are due, in a thread; also those of workers that have ended."""
    logout.notices.wake(now, partial(_notice_form, logout))


def _notice_form(
    logout: Logout, notice: LogoutNotice, now: int
) -> tuple[str, bytes] | None:
    """Where a notice is posted, and the form; None if the client has no back channel any more.

    Raises OAuthError (Back-Channel Logout §2.5).
    """
    client = logout.registry.client(notice.client_id, now)
    if client is None or not client.settings.backchannel_logout_uri:
        return None
    form = urlencode({"logout_token": logout_token(logout, client, notice, now)})
    return client.settings.backchannel_logout_uri, form.encode("ascii")


def _clients(logout: Logout, session: Session, now: int) -> list[Client]:
    """The clients of a session that exist and can be read."""
    found = []
    for client_id in session.clients:
        try:
            client = logout.registry.client(client_id, now)
        except OAuthError as error:
            _LOG.warning(
                "a client of an ended session cannot be read: %s", error.detail
            )
            continue
        if client is not None:
            found.append(client)
    return found


def revoke_session(logout: Logout, session: Session, now: int) -> None:
    """End a session from outside its browser, as a logout does.

    Its clients are notified over the back channel; the front channel needs the browser.
    """
    end_session(logout, session, now)


def logout_token(logout: Logout, client: Client, notice: LogoutNotice, now: int) -> str:
    """A logout token (Back-Channel Logout §2.4): without a nonce, which an ID token may have."""
    claims = {
        "iss": notice.issuer or logout.stored_issuer,
        "sub": logout.subjects.of(client, notice.person),
        "aud": client.id,
        "iat": now,
        "exp": now + _TOKEN_SECONDS,
        "jti": logout.new_id(),
        "events": {EVENT: {}},
        "sid": notice.sid,
    }
    return logout.signer().sign(
        claims, "logout+jwt", client.settings.id_token_signed_response_alg
    )


def _front_channel(issuer: str, client: Client, session: Session) -> str:
    """With issuer and session id (Front-Channel Logout §2)."""
    uri = client.settings.frontchannel_logout_uri
    return with_query(uri, {"iss": issuer, "sid": session.sid})
