"""What a verified token says, read as its issuer writes it: scopes, audience, organization. Pure; read by `verify.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kapi.addresses import is_label
from kapi.identity.issuers.declaration import ORGANIZATION_CLAIMS, Issuer
from kapi.jose.claim_names import find


def as_scopes(claims: Mapping[str, Any], names: Sequence[str]) -> frozenset[str]:
    """All scopes of these claims, each of which may be a space-delimited text (RFC 8693 §4.2) or a list."""
    found: set[str] = set()
    for name in names:
        value = find(claims, name)
        items = (
            value.split(" ") if isinstance(value, str) else value if isinstance(value, list) else ()
        )
        found.update(item for item in items if isinstance(item, str))
    found.discard("")
    return frozenset(found)


def has_audience(claims: Mapping[str, Any], audiences: Sequence[str]) -> bool:
    """Whether `aud` holds one of these (RFC 7519 §4.1.3)."""
    value = claims.get("aud")
    held = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return any(isinstance(item, str) and item in audiences for item in held)


def organization_of(claims: Mapping[str, Any], issuer: Issuer) -> str | None:
    """Whose API the caller means; empty when the token names nobody, None when it names what cannot be an organization."""
    mapped = [
        remote for remote, local in issuer.claim_mappings if local.lower() in ORGANIZATION_CLAIMS
    ]
    values = [find(claims, name) for name in mapped or ORGANIZATION_CLAIMS[:1]]
    value = next((value for value in values if value is not None), "")
    if not isinstance(value, str):
        return None
    named = issuer.organizations.get(value, value)
    return named if not named or is_label(named) else None
