"""What a verified token says, read as its issuer writes it: client, scopes, audience, organization. Pure; read by `verify.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kapi.identity.issuers.declaration import CLIENT_CLAIMS, ORGANIZATION_CLAIMS, Issuer
from kapi.policies.claim_names import paths

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def find(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, which may have dots in it, or by its path: `realm_access.roles`. None when there is none."""
    return next((value for path in paths(name) if (value := _at(claims, path)) is not None), None)


def _at(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def client_of(claims: Mapping[str, Any], claim: str) -> str:
    """The client the token was issued to; empty when it says none."""
    values = (find(claims, name) for name in ((claim,) if claim else CLIENT_CLAIMS))
    return next((value for value in values if isinstance(value, str) and value), "")


def as_scopes(claims: Mapping[str, Any], names: Sequence[str]) -> frozenset[str]:
    """All scopes of these claims, each of which may be a space-delimited text (RFC 8693 §4.2) or a list."""
    found: set[str] = set()
    for name in names:
        value = find(claims, name)
        items = value.split(" ") if isinstance(value, str) else value if isinstance(value, list) else ()
        found.update(item for item in items if isinstance(item, str))
    found.discard("")
    return frozenset(found)


def has_audience(claims: Mapping[str, Any], audiences: Sequence[str]) -> bool:
    """Whether `aud` holds one of these (RFC 7519 §4.1.3)."""
    value = claims.get("aud")
    held = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return any(isinstance(item, str) and item in audiences for item in held)


def missing_claim(claims: Mapping[str, Any], required: Sequence[tuple[str, str]]) -> str:
    """The first claim that is not as it must be; empty when all are."""
    for name, wanted in required:
        value = find(claims, name)
        held = value if isinstance(value, list) else [value]
        if value is None or (wanted and wanted not in [str(item).lower() if isinstance(item, bool) else item for item in held]):
            return name
    return ""


def organization_of(claims: Mapping[str, Any], issuer: Issuer) -> str | None:
    """Whose API the caller means; empty when the token names nobody, None when it names what cannot be an organization."""
    mapped = [remote for remote, local in issuer.claim_mappings if local.lower() in ORGANIZATION_CLAIMS]
    values = [find(claims, name) for name in mapped or ORGANIZATION_CLAIMS[:1]]
    value = next((value for value in values if value is not None), "")
    if not isinstance(value, str):
        return None
    named = issuer.organizations.get(value, value)
    return named if not named or _LABEL.fullmatch(named) else None
