"""The clients, held in memory (RFC 6749 §2). A secret is kept only as a salted digest.

Client secrets are long and random, so one SHA-256 is enough; a slow password hash would cost a hundred signatures.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kapi.settings import ClientSettings


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client: its settings without the secret. `scopes` holds what it may ask for, `*` anything."""

    id: str
    grants: frozenset[str]
    scopes: frozenset[str]
    settings: ClientSettings
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    """Salted SHA-256 of the secret; empty for a client without one."""

    def allows(self, scope: str) -> bool:
        """Whether it may ask for this scope."""
        return "*" in self.scopes or scope in self.scopes


class Clients:
    """All clients by id."""

    def __init__(self, settings: Iterable[ClientSettings], salt: bytes) -> None:
        """`salt` is at least 16 random bytes."""
        self._by_id: Mapping[str, Client] = {item.id: client_of(item, salt) for item in settings}
        # Compared against when the id is unknown, so that an unknown client costs what a wrong secret costs.
        self._nobody = Client("", frozenset(), frozenset(), ClientSettings(""), salt, hashlib.sha256(salt + b"\0").digest())

    def get(self, client_id: str) -> Client | None:
        """A client by its id, or None. Says nothing about who is asking."""
        return self._by_id.get(client_id)

    def authenticate(self, client_id: str, secret: str) -> Client | None:
        """The client if the secret is its own; constant-time in the secret."""
        client = self._by_id.get(client_id, self._nobody)
        same = hmac.compare_digest(
            hashlib.sha256(client.salt + secret.encode("utf-8", "surrogatepass")).digest(), client.digest or self._nobody.digest
        )
        return client if same and client.digest and client is not self._nobody else None


def client_of(item: ClientSettings, salt: bytes) -> Client:
    """A client of the settings; its secret becomes a digest."""
    return Client(
        id=item.id,
        grants=frozenset(item.grants),
        scopes=frozenset(item.scopes),
        settings=dataclasses.replace(item, secret=""),
        salt=salt,
        digest=hashlib.sha256(salt + item.secret.encode()).digest() if item.secret else b"",
    )
