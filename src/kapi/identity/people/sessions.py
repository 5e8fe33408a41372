"""Who is signed in to the provider in which browser: records that survive a restart, behind `__Host-` cookies (RFC 6265bis §4.1.3).

The cookie holds 256 random bits and the store their digest. `sid` names the session to clients and stays when the cookie is renewed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kapi.identity.protocol.http import Request
from kapi.identity.provider import Provider
from kapi.identity.tokens.authorized import Authorization
from kapi.settings.values import built
from kapi.store.records import Record, key_of

SESSION, BROWSER = "__Host-kapi-session", "__Host-kapi-browser"
"""Names of cookies: who is signed in; which browser it is, whether or not somebody is."""
_KIND = "session"
_BROWSER_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in person in one browser."""

    key: str
    """Digest of the cookie."""
    sid: str
    user: str
    auth_time: int
    expires_at: int
    amr: tuple[str, ...] = ()
    acr: str = ""
    organization: str = ""
    clients: tuple[str, ...] = ()
    """Clients that were told who this is."""
    username: str = ""
    """What pages call the person; filled in when the session is read."""

    def authorization(self, client_id: str, scope: str) -> Authorization:
        """What the person allows a client here and now."""
        return Authorization(
            user=self.user,
            client_id=client_id,
            scope=scope,
            auth_time=self.auth_time,
            amr=self.amr,
            acr=self.acr,
            organization=self.organization,
            sid=self.sid,
        )


def session_of(provider: Provider, request: Request) -> Session | None:
    """The session of the browser that sent this, or None. A person whose account was removed or disabled has none."""
    secret = request.cookies.get(SESSION)
    record = None if secret is None else provider.records.get(_KIND, key_of(secret), request.now)
    session = None if record is None else _session(record)
    user = None if session is None else provider.users.get(session.user)
    # A sign-in that was under way when the account ended counts for nothing.
    if (
        session is None
        or user is None
        or session.auth_time < provider.accounts.ended_at(session.user)
    ):
        return None
    return dataclasses.replace(session, username=user.username)


def sign_in(
    provider: Provider,
    now: int,
    user: str,
    *,
    amr: tuple[str, ...],
    acr: str,
    organization: str,
    before: Session | None,
) -> tuple[Session, str]:
    """A session with a fresh cookie, and the Set-Cookie value. The session that the browser had ends, or goes on for the same person."""
    secret = provider.new_secret()
    lifetime = provider.settings.identity.session_lifetime
    same = before is not None and (before.user, before.organization) == (user, organization)
    session = Session(
        key=key_of(secret),
        sid=before.sid if before is not None and same else provider.new_id(),
        user=user,
        auth_time=now,
        expires_at=now + lifetime,
        amr=amr,
        acr=acr,
        organization=organization,
        clients=before.clients if before is not None and same else (),
    )
    provider.records.put(_KIND, _record(session))
    if before is not None:
        provider.records.delete(_KIND, before.key)
    return session, _cookie(SESSION, secret, lifetime)


def remember_client(provider: Provider, session: Session, client_id: str, now: int) -> None:
    """Note that a client was told about this session, so that it can be told when it ends."""
    if client_id in session.clients:
        return

    def with_client(record: Record) -> Mapping[str, Any] | None:
        known = record.payload.get("clients", [])
        return None if client_id in known else {**record.payload, "clients": [*known, client_id]}

    provider.records.update(_KIND, session.key, now, with_client)


def sign_out(provider: Provider, session: Session) -> str:
    """End a session; the Set-Cookie value that removes its cookie."""
    provider.records.delete(_KIND, session.key)
    return _cookie(SESSION, "", 0)


def browser_of(provider: Provider, request: Request) -> tuple[str, str]:
    """The secret that names the browser, and a Set-Cookie value when it is fresh (empty otherwise)."""
    secret = request.cookies.get(BROWSER, "")
    if len(secret) == 43 and secret.isascii():
        return secret, ""
    secret = provider.new_secret()
    return secret, _cookie(BROWSER, secret, _BROWSER_SECONDS)


def form_token(browser: str, purpose: str) -> str:
    """What a form of ours must hold: another site can neither read nor guess it (OWASP: signed double submit)."""
    return hmac.new(browser.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def form_token_is_right(request: Request, purpose: str, given: str | None) -> bool:
    """Whether the form came from a page that we sent to this browser."""
    browser = request.cookies.get(BROWSER, "")
    site = next(
        (value for name, value in request.headers if name == "sec-fetch-site"), "same-origin"
    )
    return (
        bool(browser and given)
        and site in {"same-origin", "none"}
        and hmac.compare_digest(form_token(browser, purpose), given or "")
    )


def _cookie(name: str, value: str, seconds: int) -> str:
    return f"{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"


def _record(session: Session) -> Record:
    payload = dataclasses.asdict(session)
    return Record(session.key, session.sid, payload, session.expires_at)


def _session(record: Record) -> Session:
    made: Session = built(Session, dict(record.payload))
    return made
