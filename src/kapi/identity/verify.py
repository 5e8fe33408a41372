"""Bearer tokens of callers of our own system APIs (RFC 6750, RFC 7519 §7.2, RFC 8725).

The key decides the algorithm, never the token; keys come from the configured issuers only, never from the token's header.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kapi.errors import Problem
from kapi.identity.keys import SigningKey

LARGEST_TOKEN = 16 * 1024
CLOCK_SKEW = 5
"""Seconds a token may be used before `nbf` and after `exp`."""
_TYPES = frozenset({None, "JWT", "at+jwt", "application/at+jwt"})
_SUGGESTION = "Make sure you have provided the correct security credentials"


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """A trusted issuer and its public keys by kid; all RS256."""

    issuer: str
    keys: dict[str, rsa.RSAPublicKey]

    @classmethod
    def inbuilt(cls, issuer: str, keys: Sequence[SigningKey]) -> IssuerKeys:
        """The inbuilt provider as an issuer."""
        public = ((key.kid, key.private.public_key()) for key in keys)
        return cls(issuer, {kid: key for kid, key in public if isinstance(key, rsa.RSAPublicKey)})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling; `organization` is empty when the token names none."""

    subject: str
    client_id: str
    scopes: frozenset[str]
    organization: str


class _Refused(Exception):
    pass


def _never(issuer: str, jti: str) -> bool:  # noqa: ARG001 - the shape of `revoked`
    return False


def verify_bearer(authorization: str, issuers: Sequence[IssuerKeys], now: int, revoked: Callable[[str, str], bool] = _never) -> Principal:
    """The caller behind an Authorization header; `revoked` is asked with the verified token's issuer and `jti`.

    Raises Problem 401: 900902 without credentials, 900903 for an expired token, 900901 for any other fault.
    """
    scheme, _, token = authorization.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        detail = f"{_SUGGESTION}: a header Authorization: Bearer ACCESS_TOKEN"
        # RFC 6750 §3.1: no error code when no credentials were sent.
        raise Problem(401, "900902", "Missing Credentials", detail, headers={"WWW-Authenticate": 'Bearer realm="kapi"'})
    try:
        claims = _verified_claims(token, issuers)
        expires, not_before = _time(claims, "exp"), _time(claims, "nbf", 0.0)
    except (_Refused, ValueError, RecursionError) as error:
        raise _unauthorized("900901", "Invalid Credentials", f"Invalid Credentials. {_SUGGESTION}") from error
    if expires + CLOCK_SKEW <= now:
        raise _unauthorized("900903", "Access Token Expired", "Access Token Expired. Renew the access token and try again")
    if not_before - CLOCK_SKEW > now:
        raise _unauthorized("900901", "Invalid Credentials", f"The token is not valid yet. {_SUGGESTION}")
    jti = claims.get("jti")
    if isinstance(jti, str) and revoked(claims["iss"], jti):
        raise _unauthorized("900901", "Invalid Credentials", f"The token was revoked. {_SUGGESTION}")
    return _principal(claims)


def require_scope(principal: Principal, any_of: Sequence[str]) -> None:
    """Raise Problem 403 (900910) unless the caller has one of the scopes."""
    if principal.scopes.isdisjoint(any_of):
        scope = " ".join(any_of)
        raise Problem(
            403,
            "900910",
            "The access token does not allow you to access the requested resource",
            f"Scope validation failed: one of these scopes is needed: {scope}",
            f"Ask for a token with it: kapi token --scope {any_of[0]}",
            headers={"WWW-Authenticate": f'Bearer realm="kapi", error="insufficient_scope", scope="{scope}"'},
        )


def _unauthorized(code: str, title: str, detail: str) -> Problem:
    challenge = 'Bearer realm="kapi", error="invalid_token", error_description="The provided token is invalid"'
    return Problem(401, code, title, detail, headers={"WWW-Authenticate": challenge})


def _verified_claims(token: str, issuers: Sequence[IssuerKeys]) -> dict[str, Any]:
    if len(token) > LARGEST_TOKEN or token.count(".") != 2:
        raise _Refused
    encoded_header, encoded_claims, encoded_signature = token.split(".")
    header, claims = _json_object(encoded_header), _json_object(encoded_claims)
    media_type = header.get("typ")
    if (
        header.get("alg") != "RS256"
        or "crit" in header
        or "b64" in header
        or not isinstance(media_type, str | None)
        or media_type not in _TYPES
    ):
        raise _Refused
    kid, issuer = header.get("kid"), claims.get("iss")
    key = next((trusted.keys.get(kid) for trusted in issuers if trusted.issuer == issuer), None) if isinstance(kid, str) else None
    if key is None:
        raise _Refused
    try:
        key.verify(_decoded(encoded_signature), f"{encoded_header}.{encoded_claims}".encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise _Refused from error
    return claims


def _principal(claims: dict[str, Any]) -> Principal:
    def text(name: str) -> str:
        value = claims.get(name)
        return value if isinstance(value, str) else ""

    scope = claims.get("scope")
    listed = scope.split(" ") if isinstance(scope, str) else scope if isinstance(scope, list) else []
    return Principal(
        subject=text("sub"),
        client_id=text("clientId") or text("client_id") or text("azp"),
        scopes=frozenset(item for item in listed if isinstance(item, str)),
        organization=text("organization"),
    )


def _time(claims: dict[str, Any], name: str, default: float | None = None) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 2**53:
        raise _Refused
    return float(value)


def _json_object(encoded: str) -> dict[str, Any]:
    value = json.loads(_decoded(encoded).decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise _Refused
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Refused
    return value


def _no_constant(_: str) -> None:
    raise _Refused


def _decoded(encoded: str) -> bytes:
    """Strict base64url without padding (RFC 7515 §2)."""
    if "+" in encoded or "/" in encoded or "=" in encoded or len(encoded) % 4 == 1:
        raise _Refused
    standard = encoded.replace("-", "+").replace("_", "/") + "=" * (-len(encoded) % 4)
    return binascii.a2b_base64(standard.encode("ascii"), strict_mode=True)
