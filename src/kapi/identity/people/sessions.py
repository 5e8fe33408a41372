"""Sessions of people at the provider: stored records, with `__Host-` cookies (RFC 6265bis §4.1.3).

The cookie contains 256 random bits, the store their digest. `sid` identifies the session to clients
and does not change with the cookie.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.accounts.users import Users
from kapi.identity.people.authorized import Authorization
from kapi.identity.people.listing import Page, People, Sought, walk
from kapi.identity.protocol.http import Request
from kapi.settings.values import built
from kapi.store.accounts import Accounts
from kapi.store.records import Record, Records, key_of

SESSION, BROWSER = "__Host-kapi-session", "__Host-kapi-browser"
"""Names of cookies: of the session, and of the browser, with or without a session."""
KIND = "session"
"""Kind of records."""
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
    """Clients that got tokens about the person."""
    username: str = ""
    """The user name, for pages; set when the session is read."""
    issuer: str = ""
    """The `iss` of its tokens if the person signed in at another host name of the provider."""

    def authorization(self, client_id: str, scope: str) -> Authorization:
        """The authorization of a client in this session."""
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


@dataclass(frozen=True, slots=True)
class Sessions:
    """The stored sessions, and what a new one is made with."""

    records: Records
    users: Users
    accounts: Accounts
    """The accounts that ended."""
    lifetime: int
    """Seconds."""
    issuer: str
    """The `iss` of the host at which people sign in; empty for that of the settings."""
    new_id: Callable[[], str]
    new_secret: Callable[[], str]


def session_of(sessions: Sessions, request: Request) -> Session | None:
    """The session of the request's browser, or None. An account that ended has no session."""
    secret = request.cookies.get(SESSION)
    if secret is None:
        return None
    record = sessions.records.get(KIND, key_of(secret), request.now)
    if record is None:
        return None
    session = session_in(record)
    user = sessions.users.get(session.user)
    # The account may have ended during the sign-in.
    if user is None or session.auth_time < sessions.accounts.ended_at(session.user):
        return None
    if not user.belongs_to(session.organization):
        return None
    return dataclasses.replace(session, username=user.username)


def sign_in(
    sessions: Sessions,
    now: int,
    user: str,
    *,
    amr: tuple[str, ...],
    acr: str,
    organization: str,
    before: Session | None,
) -> tuple[Session, str]:
    """A session with a new cookie, and the Set-Cookie value.

    The session `before` of the browser is continued if it is of the same person, else ended.
    """
    secret = sessions.new_secret()
    lifetime = sessions.lifetime
    session = Session(
        key=key_of(secret),
        sid=sessions.new_id(),
        user=user,
        auth_time=now,
        expires_at=now + lifetime,
        amr=amr,
        acr=acr,
        organization=organization,
        issuer=sessions.issuer,
    )
    if before is not None and (before.user, before.organization) == (
        user,
        organization,
    ):
        session = dataclasses.replace(session, sid=before.sid, clients=before.clients)
    sessions.records.put(KIND, _record(session))
    if before is not None:
        sessions.records.delete(KIND, before.key)
    return session, _cookie(SESSION, secret, lifetime)


def remember_client(
    records: Records, session: Session, client_id: str, now: int
) -> None:
    """Add a client to the session, so that it is notified when the session ends."""
    if client_id in session.clients:
        return

    def with_client(record: Record) -> Mapping[str, Any] | None:
        known = record.payload.get("clients", [])
        if client_id in known:
            return None
        return {**record.payload, "clients": [*known, client_id]}

    records.update(KIND, session.key, now, with_client)


def no_cookie() -> str:
    """The Set-Cookie value that removes the cookie of a session."""
    return _cookie(SESSION, "", 0)


def list_sessions(sessions: Sessions, sought: Sought, now: int) -> Page[Session]:
    """The sessions that are wanted, each with the user name."""
    people = People(sessions.users)

    def wanted(record: Record) -> Session | None:
        session = session_in(record)
        person = people.get(session.user)
        if person is None or sought.organization not in {"", session.organization}:
            return None
        if sought.client and sought.client not in session.clients:
            return None
        return dataclasses.replace(session, username=person.username)

    return walk(sessions.records, sessions.users, KIND, sought, now, wanted)


def session_with_id(sessions: Sessions, sid: str, now: int) -> Session | None:
    """The session with this id, or None."""
    for record in sessions.records.family(KIND, sid, now):
        session = session_in(record)
        person = sessions.users.get(session.user)
        if person is not None:
            return dataclasses.replace(session, username=person.username)
    return None


def browser_of(
    new_secret: Callable[[], str], request: Request
) -> tuple[str, tuple[str, ...]]:
    """The secret that identifies the browser, and a Set-Cookie value if it is new."""
    secret = request.cookies.get(BROWSER, "")
    if len(secret) == 43 and secret.isascii():
        return secret, ()
    secret = new_secret()
    return secret, (_cookie(BROWSER, secret, _BROWSER_SECONDS),)


def form_token(browser: str, purpose: str) -> str:
    """The token of a form, unknown to other sites (OWASP: signed double submit)."""
    return hmac.new(browser.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def form_token_is_right(request: Request, purpose: str, given: str | None) -> bool:
    """Whether the form is from a page that was sent to this browser."""
    browser = request.cookies.get(BROWSER)
    site = (*request.values("sec-fetch-site"), "same-origin")[0]
    if not browser or not given or site not in {"same-origin", "none"}:
        return False
    return hmac.compare_digest(form_token(browser, purpose), given)


def _cookie(name: str, value: str, seconds: int) -> str:
    return f"{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"


def _record(session: Session) -> Record:
    payload = dataclasses.asdict(session)
    if not session.issuer:
        del payload["issuer"]  # older nodes do not know it
    return Record(session.key, session.sid, payload, session.expires_at)


def session_in(record: Record) -> Session:
    """The session of a record."""
    made: Session = built(Session, dict(record.payload))
    return made
