"""Tries to sign in with a password: few wrong ones per name and address, few at a time (OWASP authentication; RFC 6749 §10.10).

Called by the login page and by every grant that takes a password.
"""

from __future__ import annotations

import threading

from kapi.identity.users import User, Users

WINDOW = 300
"""Seconds over which wrong tries are counted."""
PER_ADDRESS = 10
"""How many times more tries an address has than a user name: people share addresses."""
_AT_ONCE = 2
_WAIT = 2.0
_MOST_COUNTED = 50_000


class TooManyTries(Exception):
    """Too many wrong passwords; try again after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"try again in {seconds} seconds")
        self.seconds = seconds


class Attempts:
    """Counts wrong passwords, in the memory of one worker."""

    def __init__(self, most: int) -> None:
        """`most` wrong passwords per user name and window."""
        self._running = threading.BoundedSemaphore(_AT_ONCE)
        self._waiting = threading.BoundedSemaphore(_AT_ONCE + 1)
        self._by_name = _Tries(most)
        self._by_address = _Tries(most * PER_ADDRESS)

    def authenticate(self, users: Users, username: str, password: str, address: str, now: int) -> User | None:
        """The person whose password this is, or None.

        Raises TooManyTries when the name or the address has none left, or when too many are being checked.
        """
        # Counted before the slow part, so that parallel tries cannot share one count. The address first: one that has
        # no tries left cannot use up those of a name.
        self._by_address.count(address, now)
        self._by_name.count(username, now)
        user = self._one_of_few(users, username, password)
        if user is not None:
            self._by_name.forget(username)
            self._by_address.take_back(address)
        return user

    def _one_of_few(self, users: Users, username: str, password: str) -> User | None:
        # Those that wait are few as well: they sit in the threads that serve token requests.
        if not self._waiting.acquire(blocking=False):
            raise TooManyTries(1)
        try:
            if not self._running.acquire(timeout=_WAIT):
                raise TooManyTries(1)
            try:
                return users.authenticate(username, password)
            finally:
                self._running.release()
        finally:
            self._waiting.release()


class _Tries:
    """Tries by name in the current window, in bounded memory."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def count(self, name: str, now: int) -> None:
        with self._lock:
            started, count = self._counts.get(name, (now, 0))
            if now - started >= WINDOW:
                started, count = now, 0
            if count >= self._most:
                raise TooManyTries(started + WINDOW - now)
            if name not in self._counts and len(self._counts) >= _MOST_COUNTED:
                self._counts = {key: value for key, value in self._counts.items() if now - value[0] < WINDOW}
                while len(self._counts) >= _MOST_COUNTED:
                    self._counts.pop(next(iter(self._counts)))
            self._counts[name] = (started, count + 1)

    def take_back(self, name: str) -> None:
        with self._lock:
            if name in self._counts:
                started, count = self._counts[name]
                self._counts[name] = (started, count - 1)

    def forget(self, name: str) -> None:
        with self._lock:
            self._counts.pop(name, None)
