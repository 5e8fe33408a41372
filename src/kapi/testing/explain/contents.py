"""What a token is, read without any check. Used by `kapi explain` too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.jose.compact import bare_type
from kapi.jose.jwt import InvalidJwt, parse_jwt

_KINDS = {
    "at+jwt": "an access token (RFC 9068)",
    "logout+jwt": "a logout token (OIDC Back-Channel Logout)",
    "dpop+jwt": "a DPoP proof (RFC 9449)",
    "oauth-authz-req+jwt": "a request object (RFC 9101)",
    "token-introspection+jwt": "an introspection answer (RFC 9701)",
    "client-authentication+jwt": "a client assertion (RFC 7523)",
    "secevent+jwt": "a security event (RFC 8417)",
}
_ID_CLAIMS = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
_ACCESS_CLAIMS = frozenset({"scope", "scp", "client_id", "clientId", "cid", "azp"})


def contents_of(token: str) -> dict[str, Any]:
    """Kind, header and claims of a token."""
    text = token.strip()
    try:
        jwt = parse_jwt(text)
    except InvalidJwt as error:
        return {
            "kind": _opaque(text),
            "problem": str(error),
            "header": {},
            "claims": {},
        }
    return {
        "kind": _kind(jwt.header, jwt.claims),
        "header": jwt.header,
        "claims": jwt.claims,
    }


def _opaque(text: str) -> str:
    if text.count(".") == 4:
        return "an encrypted token (JWE, RFC 7516): only its recipient can read it"
    if text.count(".") == 2:
        return "a damaged JWT"
    return (
        "an opaque token, or not a token: only its issuer can say what it is (RFC 7662)"
    )


def _kind(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    typ = bare_type(str(header.get("typ", "")))
    if typ in _KINDS:
        return _KINDS[typ]
    if "events" in claims:
        return _KINDS["secevent+jwt"]
    said = claims.get("token_use") or claims.get("typ") or claims.get("token_type")
    if isinstance(said, str) and said.lower() in {"id", "refresh"}:
        return f"a token of the kind {said.lower()}, by its own claim"
    if not _ID_CLAIMS.isdisjoint(claims):
        return "an ID token (OIDC Core §2)"
    if not _ACCESS_CLAIMS.isdisjoint(claims):
        return "an access token, in the form of its issuer"
    if "aud" in claims and "auth_time" in claims:
        return "an ID token (OIDC Core §2)"
    return "a JWT of unknown purpose"
