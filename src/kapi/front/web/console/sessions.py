"""Sessions of people at the console: who is signed in, with which role.

The cookie contains 256 random bits, the store their digest. The role is read from the account at
each request, so that an account that is disabled, or leaves a group, has no rights any more.
The transaction that ends an account deletes its sessions (`store/accounts.py`), so that it does
not matter what happened first within one second.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import field
from typing import Final

from starlette.requests import Request

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.identity.accounts.users import User, Users
from kapi.identity.issuers.verify import Principal
from kapi.settings import Settings
from kapi.store.accounts import Accounts
from kapi.store.engine.database import Database
from kapi.store.families import CONSOLE_SESSION
from kapi.store.records import Record, Records, key_of
from kapi.store.revocations import Revocations

COOKIE: Final = "__Host-kapi-console"
OPERATOR, READER = "operator", "reader"
"""The roles: to see and change, and to see."""
_MOST: Final = 20
_MOST_OF_ALL: Final = 5000


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in person with a role."""

    subject: str
    username: str
    organization: str
    """The organization that the person sees."""
    of_platform: bool
    """Whether that is the platform's own organization."""
    role: str
    secret: str = field(repr=False)

    @property
    def form_token(self) -> str:
        """What each form contains: other sites do not know it."""
        return hmac.new(
            self.secret.encode(), b"console form", hashlib.sha256
        ).hexdigest()


class Sessions:
    """The sessions, and the roles of people."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        random_bytes: Callable[[int], bytes],
        now: Callable[[], float],
        users: Users,
    ) -> None:
        self._console = settings.console
        self._platform = settings.apis.organization
        self._issuer = settings.identity.issuer
        self._users = users
        self._records = Records(database)
        self._accounts = Accounts(database)
        self._revocations = Revocations(database)
        self._random_bytes = random_bytes
        self._now = now

    def start(self, principal: Principal) -> tuple[str, str]:
        """A session of a person who signed in: the Set-Cookie value, and the role.

        Both are empty for a person without a role. The oldest session of a person who has too many
        ends. Raises Problem if the account ended since the person signed in.
        """
        user = self._users.get(principal.subject)
        role = self._role(user)
        if not role:
            return "", ""
        now, secret = int(self._now()), new_secret(self._random_bytes)
        lifetime = self._console.session_lifetime
        payload = {
            "subject": principal.subject,
            "organization": principal.organization or self._platform,
            "since": now,
        }
        self._records.admit_newest(
            CONSOLE_SESSION,
            Record(key_of(secret), "", payload, now + lifetime),
            holder=principal.subject,
            most=_MOST,
            of_all=_MOST_OF_ALL,
        )
        # An account that ended before this was stored has revoked the token of the sign-in.
        if self._revocations.is_revoked(self._issuer, principal.token):
            self._records.delete(CONSOLE_SESSION, key_of(secret))
            raise _ended()
        return cookie(COOKIE, secret, lifetime), role

    def of(self, request: Request) -> Session | None:
        """The session of a browser, or None: not signed in, ended, or without a role by now."""
        secret = request.cookies.get(COOKIE, "")
        record = self._records.get(CONSOLE_SESSION, key_of(secret), int(self._now()))
        if record is None:
            return None
        subject, since = record.payload["subject"], record.payload["since"]
        user = self._users.get(subject)
        role = self._role(user)
        # A node of an older version ends an account, but not its sessions here.
        if user is None or not role or self._accounts.ended_at(subject) > since:
            return None
        organization = record.payload["organization"]
        of_none = organization == self._platform and user.belongs_to("")
        if not of_none and not user.belongs_to(organization):
            return None
        return Session(
            subject,
            user.username,
            organization,
            organization == self._platform,
            role,
            secret,
        )

    def end(self, session: Session) -> str:
        """End a session; the Set-Cookie value that removes its cookie."""
        self._records.delete(CONSOLE_SESSION, key_of(session.secret))
        return cookie(COOKIE, "", 0)

    def _role(self, user: User | None) -> str:
        if user is None:
            return ""
        groups = set(user.groups)
        if user.super_admin or groups.intersection(self._console.operator_groups):
            return OPERATOR
        if groups.intersection(self._console.reader_groups):
            return READER
        return ""


def _ended() -> Problem:
    return Problem.of(
        error_codes.INVALID_SYSTEM_REQUEST,
        "The sign-in failed",
        detail="Your account has changed since you signed in.",
        hint="Open the console again.",
    )


def is_own_form(request: Request, session: Session, given: str) -> bool:
    """Whether a form was sent by a page of this session."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    if site not in {"same-origin", "none"}:
        return False
    return hmac.compare_digest(
        session.form_token.encode(), given.encode("utf-8", "replace")
    )


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """A secret of 256 random bits, base64url."""
    return base64.urlsafe_b64encode(random_bytes(32)).rstrip(b"=").decode("ascii")


def cookie(name: str, value: str, seconds: int) -> str:
    """A Set-Cookie value (RFC 6265bis §4.1.3)."""
    return f"{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"
