"""Opaque access tokens (RFC 6749 §1.4): random text with stored claims.

The settings choose them. Introspection and UserInfo resolve them; the gateway refuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kapi.store.records import Record, Records, key_of

KIND = "opaque"


def new_opaque(
    records: Records, new_secret: Callable[[], str], claims: Mapping[str, Any]
) -> str:
    """A new token. Its claims are stored until it expires, by its digest."""
    token = new_secret()
    records.put(KIND, Record(key_of(token), "", dict(claims), int(claims["exp"])))
    return token


def opaque_claims(records: Records, token: str, now: int) -> Mapping[str, Any] | None:
    """The claims of an opaque token; None when it is unknown, expired or revoked."""
    found = records.get(KIND, key_of(token), now)
    if found is None:
        return None
    return found.payload


def forget_opaque(records: Records, token: str) -> None:
    """Revoke an opaque token."""
    records.delete(KIND, key_of(token))
