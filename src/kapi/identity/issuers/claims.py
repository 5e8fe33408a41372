"""Scopes, audience and organization of a verified token, in its issuer's form. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kapi.addresses import is_label
from kapi.identity.issuers.declaration import ORGANIZATION_CLAIMS, Issuer
from kapi.jose.claim_names import find
from kapi.typed import texts


def as_scopes(claims: Mapping[str, Any], names: Sequence[str]) -> frozenset[str]:
    """All scopes in these claims: space-delimited texts (RFC 8693 §4.2) or lists."""
    found: set[str] = set()
    for name in names:
        value = find(claims, name)
        if isinstance(value, str):
            found.update(value.split(" "))
        found.update(texts(value))
    found.discard("")
    return frozenset(found)


def has_audience(claims: Mapping[str, Any], audiences: Sequence[str]) -> bool:
    """Whether `aud`, a text or a list, contains one of these (RFC 7519 §4.1.3)."""
    value = claims.get("aud")
    if isinstance(value, list):
        return any(audience in value for audience in audiences)
    return isinstance(value, str) and value in audiences


def organization_of(claims: Mapping[str, Any], issuer: Issuer) -> str | None:
    """The caller's organization: empty if the token has none, None if it has an invalid one."""
    mapped = []
    for remote, local in issuer.claim_mappings:
        if local.lower() in ORGANIZATION_CLAIMS:
            mapped.append(remote)
    value = _first(claims, mapped or ORGANIZATION_CLAIMS[:1])
    if value is None:
        value = ""
    if not isinstance(value, str):
        return None
    named = issuer.organizations.get(value, value)
    if not named or is_label(named):
        return named
    return None


def _first(claims: Mapping[str, Any], names: Sequence[str]) -> Any:
    for name in names:
        value = find(claims, name)
        if value is not None:
            return value
    return None
