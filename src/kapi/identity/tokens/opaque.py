"""Opaque access tokens (RFC 6749 §1.4): random text whose meaning is kept here, for clients that must not look inside.

Made where the settings say so; resolved by introspection and UserInfo. The gateway checks signatures and refuses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.store.records import Record, Records, key_of

KIND = "opaque"


def keep_opaque(records: Records, token: str, claims: Mapping[str, Any]) -> None:
    """Remember what a token means, until it expires. Only its digest is kept."""
    records.put(KIND, Record(key_of(token), "", dict(claims), int(claims["exp"])))


def opaque_claims(records: Records, token: str, now: int) -> Mapping[str, Any] | None:
    """What a live opaque token means: the claims a JWT would have; None when it is unknown, expired or revoked."""
    found = records.get(KIND, key_of(token), now)
    return None if found is None else found.payload


def forget_opaque(records: Records, token: str) -> None:
    """Revoke one."""
    records.delete(KIND, key_of(token))
