"""The journal: every request and answer of an issuer, without credentials, with assertions.

A secret is replaced by `redacted:` and eight hexadecimal digits of its SHA-256, so that a test can
see whether two requests had the same code or token.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Any

from kapi.dataclass import dataclass

MOST_ENTRIES = 10_000
"""Older entries are dropped."""
SECRETS = frozenset({
    "access_token", "assertion", "actor_token", "auth_req_id", "client_assertion", "client_secret",
    "code", "code_verifier", "device_code", "id_token", "id_token_hint", "login_hint_token",
    "logout_token", "password", "refresh_token", "registration_access_token", "request",
    "subject_token", "token", "user_code", "registration_client_uri", "response",
})  # fmt: skip
"""Parameters and members whose values are not shown."""
_SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "set-cookie", "dpop", "dpop-nonce"}
)
_IN_URL = re.compile(r"([?&#](?:" + "|".join(sorted(SECRETS)) + r")=)([^&#]*)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and its answer. Times are of the issuer's clock."""

    number: int
    at: int
    endpoint: str
    method: str
    path: str
    status: int
    client: str = ""
    auth_method: str = ""
    grant: str = ""
    error: str = ""
    fault: str = ""
    """The faults that were done to it, by name."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Of the query and the form."""
    headers: Mapping[str, str] = field(default_factory=dict)
    answer: Any = None
    """The members of a JSON answer; for another one, its media type and length."""
    location: str = ""


class Journal:
    """The entries of one issuer, oldest first."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._count = 0
        self._lock = threading.Lock()

    def add(self, **members: Any) -> Entry:
        """Note a request. The members are those of Entry without `number`."""
        with self._lock:
            self._count += 1
            entry = Entry(self._count, **members)
            self._entries.append(entry)
            del self._entries[:-MOST_ENTRIES]
            return entry

    def entries(self, **wanted: Any) -> list[Entry]:
        """The entries that match: `endpoint="token", client="shop", status=400`.

        A mapping for `parameters` or `headers` matches when each of its items does. Raises
        ValueError for a member that entries do not have.
        """
        unknown = sorted(set(wanted) - set(Entry.__dataclass_fields__))
        if unknown:
            known = ", ".join(Entry.__dataclass_fields__)
            raise ValueError(
                f"{unknown[0]!r} is not a member of an entry; known: {known}"
            )
        with self._lock:
            found = list(self._entries)
        return [entry for entry in found if _matches(entry, wanted)]

    def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            self._entries.clear()

    def assert_called(
        self, endpoint: str, *, times: int | None = None, **wanted: Any
    ) -> None:
        """Raise AssertionError unless there are such requests: `times`, or at least one."""
        found = self.entries(endpoint=endpoint, **wanted)
        enough, expected = bool(found), "at least once"
        if times is not None:
            enough, expected = len(found) == times, f"{times} times"
        if not enough:
            what = " ".join(f"{name}={value!r}" for name, value in wanted.items())
            raise AssertionError(
                f"the {endpoint} endpoint was called {len(found)} times {what}".rstrip()
                + f", expected {expected}. The journal:\n{self.text()}"
            )

    def assert_not_called(self, endpoint: str, **wanted: Any) -> None:
        """Raise AssertionError if there is such a request."""
        self.assert_called(endpoint, times=0, **wanted)

    def text(self) -> str:
        """The journal as lines for people."""
        return "\n".join(map(_line, self.entries())) or "(empty)"

    def values(self, **wanted: Any) -> list[dict[str, Any]]:
        """The matching entries as JSON values."""
        return list(map(asdict, self.entries(**wanted)))


def redacted(value: Any) -> str:
    """The text shown in place of a secret; the same for equal secrets."""
    digest = hashlib.sha256(str(value).encode("utf-8", "surrogatepass")).hexdigest()
    return f"redacted:{digest[:8]}"


def without_secrets(value: Any, name: str = "") -> Any:
    """A JSON value with the secrets in it redacted, also inside of lists and objects."""
    if name in SECRETS and isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: without_secrets(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item, name) for item in value]
    return value


def url_without_secrets(url: str) -> str:
    """A URL with the secrets in its query and fragment redacted."""
    return _IN_URL.sub(lambda found: found[1] + redacted(found[2]), url)


def shown_headers(headers: list[tuple[str, str]]) -> dict[str, str]:
    """The headers, those with credentials redacted; of Authorization, the scheme remains."""
    made = {}
    for name, value in headers:
        if name == "authorization":
            scheme, _, rest = value.partition(" ")
            made[name] = f"{scheme} {redacted(rest)}"
        elif name in _SECRET_HEADERS:
            made[name] = redacted(value)
        else:
            made[name] = value
    return made


def _matches(entry: Entry, wanted: Mapping[str, Any]) -> bool:
    return all(_fits(getattr(entry, name), value) for name, value in wanted.items())


def _fits(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(found.get(name) == value for name, value in wanted.items())
    return bool(found == wanted)


def _line(entry: Entry) -> str:
    parts = [f"{entry.number}. {entry.method} {entry.path} ({entry.endpoint})"]
    if entry.client:
        parts.append(f"client {entry.client}")
    parts += filter(None, (entry.auth_method, entry.grant))
    if entry.fault:
        parts.append(f"fault {entry.fault}")
    return f"{', '.join(parts)} → {entry.status} {entry.error}".rstrip()
