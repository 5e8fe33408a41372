"""The clients, in memory (RFC 6749 §2), with the salted digests of their secrets.

Client secrets are long and random, so one SHA-256 is enough; a slow password hash would cost as
much as a hundred signatures.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import threading
from collections.abc import Iterable, Mapping
from dataclasses import field

from kapi.dataclass import dataclass
from kapi.settings import ClientSettings
from kapi.settings.identity.client_checks import LINKS
from kapi.settings.identity.profiles import with_profile
from kapi.settings.values import built
from kapi.store.registered_clients import RegisteredClient


@dataclass(frozen=True, slots=True)
class Client:
    """A client: its settings without the secret. `scopes` are those it may request, `*` is any."""

    id: str
    grants: frozenset[str]
    scopes: frozenset[str]
    settings: ClientSettings
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    """Salted SHA-256 of the secret; empty for a client without one."""
    hmac_key: bytes = field(default=b"", repr=False)
    """The secret itself, for clients that sign with it (`client_secret_jwt`) only."""

    def has_secret(self, secret: str) -> bool:
        """Whether this is its secret; in constant time. False for a client without a secret."""
        digest = hashlib.sha256(
            self.salt + secret.encode("utf-8", "surrogatepass")
        ).digest()
        return hmac.compare_digest(digest, self.digest or _NO_DIGEST)

    @property
    def is_public(self) -> bool:
        """Whether it cannot authenticate (RFC 6749 §2.1)."""
        return self.settings.is_public

    @property
    def title(self) -> str:
        """What people read about it: its name, or its id if it has none."""
        return self.settings.name or self.id

    def allows(self, scope: str) -> bool:
        """Whether it may request this scope."""
        return "*" in self.scopes or scope in self.scopes


_NO_DIGEST = b"\0" * 32


class Clients:
    """All clients by id."""

    def __init__(self, settings: Iterable[ClientSettings], salt: bytes) -> None:
        """`salt` is at least 16 random bytes."""
        self._salt = salt
        self._configured: Mapping[str, Client] = {
            item.id: client_of(item, salt) for item in settings
        }
        self._by_id: dict[str, Client] = dict(self._configured)
        self._revision = 0
        self._changing = threading.Lock()
        self.unknown = Client(
            "", frozenset(), frozenset(), ClientSettings(""), salt, b""
        )
        """A client without a secret: an unknown id takes as long as a wrong secret."""

    def get(self, client_id: str) -> Client | None:
        """A client by its id, or None; not authenticated."""
        return self._by_id.get(client_id)

    def apply(self, changed: Iterable[RegisteredClient]) -> None:
        """Apply changes of registered clients; a client of the settings is never replaced."""
        with self._changing:
            for item in sorted(changed, key=lambda item: item.revision):
                if item.revision > self._revision:
                    self._apply(item)

    def _apply(self, item: RegisteredClient) -> None:
        self._revision = item.revision
        if item.id in self._configured:
            return
        if item.removed:
            self._by_id.pop(item.id, None)
        else:
            self._by_id[item.id] = registered_client(item)

    @property
    def revision(self) -> int:
        """The newest change that was applied."""
        return self._revision


def client_of(item: ClientSettings, salt: bytes) -> Client:
    """A client of the settings, with the requirements of its profile."""
    secret = item.secret.encode()
    digest = hmac_key = b""
    if secret:
        digest = hashlib.sha256(salt + secret).digest()
    if item.token_endpoint_auth_method == "client_secret_jwt":  # noqa: S105 - a method's name
        hmac_key = secret
    return Client(
        id=item.id,
        grants=frozenset(item.grants),
        scopes=frozenset(item.scopes),
        settings=dataclasses.replace(with_profile(item), secret=""),
        salt=salt,
        digest=digest,
        hmac_key=hmac_key,
    )


def registered_client(item: RegisteredClient) -> Client:
    """A client that was registered at run time."""
    # An older version kept the addresses that people see beside the settings.
    before = {}
    for name, value in item.metadata["about"].items():
        if name in LINKS:
            before[name] = value
    settings: ClientSettings = built(
        ClientSettings,
        {**before, **item.metadata["settings"], "id": item.id, "secret": ""},
    )
    return Client(
        item.id,
        frozenset(settings.grants),
        frozenset(settings.scopes),
        settings,
        item.salt,
        item.secret_digest,
    )
