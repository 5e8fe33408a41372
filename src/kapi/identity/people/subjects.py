"""`sub` of a person for a client: public or pairwise (OpenID Connect Core §8)."""

from __future__ import annotations

import hashlib
import hmac

from kapi.identity.clients.clients import Client
from kapi.identity.clients.sectors import sector_of
from kapi.identity.provider import Provider
from kapi.jose import base64url

TYPES = ("public", "pairwise")


def subject_for(provider: Provider, client: Client, user: str) -> str:
    """The `sub` this client sees. Reads the store for pairwise subjects."""
    if client.settings.subject_type != "pairwise":
        return user
    # Stored, because subjects must not change with the signing keys.
    salt = provider.platform_keys.get_or_make(
        "pairwise-subjects", lambda: provider.random_bytes(32)
    )
    message = f"{sector_of(client)}\0{user}".encode()
    return base64url.encode(hmac.digest(salt, message, hashlib.sha256))
