"""DPoP proofs (RFC 9449): a client shows with each request that it holds a key. Pure: replay and nonces come in as arguments.

Called by the token pipeline, userinfo, the system APIs and the gateway side.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from kapi.errors import OAuthError
from kapi.jose import base64url
from kapi.jose.algorithms import ASYMMETRIC
from kapi.jose.jwk import thumbprint
from kapi.jose.jwt import (
    InvalidJwt,
    check_embedded_key,
    check_signature,
    numeric_date,
    read_jwt,
    text_claim,
)

OLDEST = 300
"""Seconds a proof may be old."""
NEWEST = 60
"""Seconds the client's clock may be ahead."""
NONCE_SECONDS = 300
LARGEST_PROOF = 8 * 1024

Seen = Callable[[str, int], bool]
"""Called with a digest and the moment it may be forgotten; True when it was seen before."""


@dataclass(frozen=True, slots=True)
class Nonces:
    """Nonces that need no memory: a moment and its MAC, good for five to ten minutes, in every process that has the secret."""

    secret: bytes

    def fresh(self, now: int) -> str:
        """A nonce of now."""
        return self._of(now // NONCE_SECONDS)

    def holds(self, nonce: object, now: int) -> bool:
        """Whether it is one of ours and recent."""
        current = now // NONCE_SECONDS
        return isinstance(nonce, str) and any(
            hmac.compare_digest(nonce.encode("utf-8", "surrogatepass"), self._of(window).encode())
            for window in (current, current - 1)
        )

    def _of(self, window: int) -> str:
        mac = hmac.new(self.secret, b"dpop-nonce %d" % window, hashlib.sha256).digest()[:24]
        return base64url.encode(mac)


def verify_proof(
    proofs: Sequence[str],
    method: str,
    url: str,
    now: int,
    seen: Seen,
    *,
    token: str | None = None,
    nonces: Nonces | None = None,
    algorithms: Sequence[str] = ASYMMETRIC,
) -> str:
    """The thumbprint (`jkt`) of the key that made the proof for this request.

    `proofs` are the values of all `DPoP` headers, `url` the address asked for, `token` the access
    token sent with it (None at the token endpoint), `algorithms` what may sign the proof. With
    `nonces` the proof must contain one. Raises OAuthError invalid_dpop_proof, or use_dpop_nonce with
    a fresh nonce.
    """
    try:
        if len(proofs) != 1 or len(proofs[0]) > LARGEST_PROOF:
            raise InvalidJwt("there must be exactly one DPoP header, with one JWT")
        proof = read_jwt(proofs[0], algorithms=algorithms, types=("dpop+jwt",), embedded_key=True)
        key = check_embedded_key(proof.header["jwk"])
        check_signature(proof, [key])
        claims = proof.claims
        jti = text_claim(claims, "jti")
        if text_claim(claims, "htm") != method:
            raise InvalidJwt("htm is not the method of this request")
        if not _same_place(text_claim(claims, "htu", 2048), url):
            raise InvalidJwt(f"htu is not the address of this request, {_without_query(url)}")
        issued = numeric_date(claims, "iat")
        if issued is None or not now - OLDEST <= issued <= now + NEWEST:
            raise InvalidJwt("iat is missing or not of now")
        if token is not None and claims.get("ath") != _hash_of(token):
            raise InvalidJwt("ath is not the hash of the access token")
        if nonces is not None and not nonces.holds(claims.get("nonce"), now):
            raise _nonce_wanted(nonces, now)
        jkt = thumbprint(key)
        if seen(
            hashlib.sha256(f"{jkt}\n{jti}".encode("utf-8", "surrogatepass")).hexdigest(),
            int(issued) + OLDEST + 1,
        ):
            raise InvalidJwt("it was used before")
    except InvalidJwt as error:
        raise OAuthError("invalid_dpop_proof", f"The DPoP proof is refused: {error}") from error
    return jkt


def _nonce_wanted(nonces: Nonces, now: int) -> OAuthError:
    headers = (
        ("dpop-nonce", nonces.fresh(now)),
        ("access-control-expose-headers", "DPoP-Nonce, WWW-Authenticate"),
    )
    return OAuthError(
        "use_dpop_nonce",
        "Put the nonce of the DPoP-Nonce header into the proof and try again",
        headers=headers,
    )


def _hash_of(token: str) -> str:
    return base64url.sha256(token.encode("utf-8", "surrogatepass"))


def _same_place(claimed: str, url: str) -> bool:
    try:
        return _place(claimed) == _place(url)
    except ValueError:
        return False


def _place(url: str) -> tuple[str, str, int, str]:
    """An address without query and fragment, in one spelling (RFC 9449 §4.3, RFC 3986 §6.2.2)."""
    parts = urlsplit(url)
    return (
        parts.scheme.lower(),
        (parts.hostname or "").lower(),
        parts.port or (443 if parts.scheme.lower() == "https" else 80),
        parts.path or "/",
    )


def _without_query(url: str) -> str:
    return url.partition("?")[0]
