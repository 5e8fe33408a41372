"""ID tokens that come back as a hint of who is meant: signed by us, even if expired (OIDC Core §3.1.2.1, RP-Initiated Logout §4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.provider import Provider
from kapi.identity.tokens.own_tokens import own_claims
from kapi.jose.token_kinds import OWN_MARK


def claims_of_hint(provider: Provider, hint: str) -> Mapping[str, Any]:
    """The claims. Raises OAuthError invalid_request for anything but an ID token of ours."""
    claims = own_claims(provider, hint)
    # Access and logout tokens are no ID tokens: those have no auth_time, or name their client in a claim of their own.
    if (
        claims is None
        or "auth_time" not in claims
        or OWN_MARK in claims
        or not isinstance(claims.get("aud"), str)
    ):
        raise OAuthError("invalid_request", "id_token_hint is not an ID token of this provider")
    return claims


def subject_of_hint(provider: Provider, hint: str, client_id: str) -> str:
    """Whom the hint names. Raises OAuthError when it was issued to another client."""
    claims = claims_of_hint(provider, hint)
    if claims["aud"] != client_id:
        raise OAuthError("invalid_request", "id_token_hint was issued to another client")
    return str(claims["sub"])
