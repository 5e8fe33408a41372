"""`sub` of a person for a client: public or pairwise (OpenID Connect Core §8)."""

from __future__ import annotations

import hashlib
import hmac

from kapi.dataclass import dataclass
from kapi.identity.clients.clients import Client
from kapi.identity.clients.sectors import sector_of
from kapi.identity.keys.shared_keys import SharedKeys
from kapi.jose import base64url

TYPES = ("public", "pairwise")


@dataclass(frozen=True, slots=True)
class Subjects:
    """The subjects of people. The salt of pairwise ones is a shared key."""

    keys: SharedKeys

    def of(self, client: Client, user: str) -> str:
        """The `sub` this client sees. Reads the store for pairwise subjects."""
        if client.settings.subject_type != "pairwise":
            return user
        # Stored, because subjects must not change with the signing keys.
        salt = self.keys.get("pairwise-subjects")
        message = f"{sector_of(client)}\0{user}".encode()
        return base64url.encode(hmac.digest(salt, message, hashlib.sha256))
