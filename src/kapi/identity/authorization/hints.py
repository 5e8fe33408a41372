"""ID tokens of this provider as hints, valid or expired.

OIDC Core §3.1.2.1, RP-Initiated Logout §4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.tokens.own_tokens import OwnJwts
from kapi.jose.token_kinds import OWN_MARK


def claims_of_hint(jwts: OwnJwts, hint: str) -> Mapping[str, Any]:
    """The claims. Raises OAuthError invalid_request unless it is an ID token of this provider."""
    claims = jwts.claims(hint)
    if claims is None or not _is_id_token(claims):
        raise OAuthError(
            "invalid_request", "id_token_hint is not an ID token of this provider"
        )
    return claims


def _is_id_token(claims: Mapping[str, Any]) -> bool:
    """Not an access token, which contains OWN_MARK, or a logout token, which has no `auth_time`."""
    if "auth_time" not in claims or OWN_MARK in claims:
        return False
    return isinstance(claims.get("aud"), str)


def subject_of_hint(jwts: OwnJwts, hint: str, client_id: str) -> str:
    """The subject of a hint. Raises OAuthError when it was issued to another client."""
    claims = claims_of_hint(jwts, hint)
    if claims["aud"] != client_id:
        raise OAuthError(
            "invalid_request", "id_token_hint was issued to another client"
        )
    return str(claims["sub"])
