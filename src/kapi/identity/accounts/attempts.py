"""Limits on wrong passwords, per user name and address (OWASP authentication; RFC 6749 §10.10).

The counts are in the store, shared by all workers. Wrong passwords of an attacker would lock the
person out, so a browser in which the person signed in before has a count of its own for that name
(OWASP: device cookies). Called by the login page and by each grant that takes a password.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from kapi.identity.accounts.users import User, Users
from kapi.store.audit import SIGN_IN, Event
from kapi.store.login_attempts import LoginAttempts
from kapi.store.records import Record, Records, key_of

PER_ADDRESS = 10
"""Factor of the limit of an address to that of a user name: people share addresses."""
KNOWN_SECONDS = 180 * 24 * 3600
MOST_KNOWN = 20
"""Known browsers per person; the least recently used one is deleted first."""
_KIND = "known-browser"
_AT_ONCE = 2
_WAIT = 2.0


class TooManyTries(Exception):
    """Too many wrong passwords; try again after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"try again in {seconds} seconds")
        self.seconds = seconds


Told = Callable[[str, str, str], None]
"""Called with the outcome of a check, the user name and the address."""
CLIENT = "client "
"""In place of an address: what a client sends for a person has the address of the client."""
SUCCESS, WRONG, TOO_MANY = "success", "wrong password", "too many tries"


def _not_told(outcome: str, username: str, address: str) -> None:
    """Do nothing: there is no listener."""


def sign_in_event(outcome: str, username: str, place: str) -> Event:
    """The entry of the audit log; `username` is empty if there is no such account."""
    by_client = place.startswith(CLIENT)
    return Event(
        "sign_in",
        *(("success", "", "") if outcome == SUCCESS else ("failure", "", outcome)),
        subject=username,
        client=place.removeprefix(CLIENT) if by_client else "",
        address="" if by_client else place,
        class_=SIGN_IN,
    )


class Attempts:
    """Checks passwords, and counts the wrong ones."""

    def __init__(
        self,
        most: int,
        login_attempts: LoginAttempts,
        records: Records,
    ) -> None:
        """`most` wrong passwords per user name and window."""
        self.told: Told = _not_told
        """Hears each outcome."""
        self._most = most
        self._login_attempts = login_attempts
        self._records = records
        self._running = threading.BoundedSemaphore(_AT_ONCE)
        self._waiting = threading.BoundedSemaphore(_AT_ONCE + 1)

    def authenticate(
        self,
        users: Users,
        username: str,
        password: str,
        address: str,
        now: int,
        browser: str = "",
    ) -> User | None:
        """The person with this password, or None. `browser` is the secret of the browser, or empty.

        Raises TooManyTries at the limit of the name or the address, or when too many passwords
        are being checked.
        """
        try:
            user = self._authenticated(users, username, password, address, now, browser)
        except TooManyTries:
            self.told(TOO_MANY, username, address)
            raise
        self.told(WRONG if user is None else SUCCESS, username, address)
        return user

    def _authenticated(
        self,
        users: Users,
        username: str,
        password: str,
        address: str,
        now: int,
        browser: str,
    ) -> User | None:
        known = key_of(f"{browser} {username}")
        if browser and self._records.get(_KIND, known, now) is not None:
            own = f"browser {known}"
            most = {own: self._most}
        else:
            own = f"name {username}"
            most = {f"address {address}": self._most * PER_ADDRESS, own: self._most}
        # Read first, so that requests over the limit do not write to the store or occupy a place.
        seconds = self._login_attempts.wait(most, now)
        if seconds:
            raise TooManyTries(seconds)
        user = self._one_of_few(users, username, password, most, now)
        if user is not None:
            self._login_attempts.take_back(most, own)
            if browser:
                record = Record(
                    known,
                    f"browsers of {username}",
                    {"user": user.subject},
                    now + KNOWN_SECONDS,
                )
                self._records.put_newest(_KIND, record, MOST_KNOWN)
        return user

    def _one_of_few(
        self, users: Users, username: str, password: str, most: dict[str, int], now: int
    ) -> User | None:
        # Those that wait are few as well: they occupy the threads that serve token requests.
        if not self._waiting.acquire(blocking=False):
            raise TooManyTries(1)
        try:
            if not self._running.acquire(timeout=_WAIT):
                raise TooManyTries(1)
            try:
                # Counted before the slow part, so that parallel requests are all counted.
                seconds = self._login_attempts.count(most, now)
                if seconds:
                    raise TooManyTries(seconds)
                return users.authenticate(username, password)
            finally:
                self._running.release()
        finally:
            self._waiting.release()
