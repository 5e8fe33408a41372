"""DPoP proofs (RFC 9449): a client proves with each request that it holds a key.

Pure: the checks of replay and nonces are arguments. Called by the token endpoint, UserInfo, the
system APIs and the enforcer.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.jose import base64url
from kapi.jose.algorithms import ASYMMETRIC
from kapi.jose.jwk import thumbprint
from kapi.jose.jwt import (
    KEY_REFERENCES,
    InvalidJwt,
    Jwt,
    check_signature,
    embedded_key,
    numeric_date,
    read_jwt,
    text_claim,
)

OLDEST = 300
"""Greatest age of a proof, in seconds."""
NEWEST = 60
"""Seconds that the client's clock may be ahead."""
NONCE_SECONDS = 300
LARGEST_PROOF = 8 * 1024
_PORTS = {"http": 80, "https": 443}

Seen = Callable[[str, int], bool]
"""Called with a digest and its expiry; True when it was seen before."""


@dataclass(frozen=True, slots=True)
class Nonces:
    """Nonces without stored state: MACs of time windows, valid for five to ten minutes."""

    secret: bytes

    def fresh(self, now: int) -> str:
        """The nonce of the current window."""
        return self._of(now // NONCE_SECONDS)

    def holds(self, nonce: object, now: int) -> bool:
        """Whether it is the nonce of the current or the previous window."""
        current = now // NONCE_SECONDS
        if not isinstance(nonce, str):
            return False
        sent = nonce.encode("utf-8", "surrogatepass")
        accepted = [self._of(window).encode() for window in (current, current - 1)]
        return any(hmac.compare_digest(sent, known) for known in accepted)

    def _of(self, window: int) -> str:
        mac = hmac.new(self.secret, b"dpop-nonce %d" % window, hashlib.sha256).digest()[
            :24
        ]
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
    `nonces` the proof must contain one. Raises OAuthError invalid_dpop_proof, or use_dpop_nonce
    with a new nonce.
    """
    try:
        proof, jkt = _signed_proof(proofs, algorithms)
        claims = proof.claims
        jti = text_claim(claims, "jti")
        _check_request(claims, method, url)
        issued = numeric_date(claims, "iat")
        if issued is None or not now - OLDEST <= issued <= now + NEWEST:
            raise InvalidJwt("iat is missing or not current")
        if token is not None and claims.get("ath") != _hash_of(token):
            raise InvalidJwt("ath is not the hash of the access token")
        if nonces is not None and not nonces.holds(claims.get("nonce"), now):
            raise _nonce_wanted(nonces, now)
        digest = hashlib.sha256(
            f"{jkt}\n{jti}".encode("utf-8", "surrogatepass")
        ).hexdigest()
        if seen(digest, int(issued) + OLDEST + 1):
            raise InvalidJwt("it was used before")
    except InvalidJwt as error:
        raise OAuthError(
            "invalid_dpop_proof", f"The DPoP proof is refused: {error}"
        ) from error
    return jkt


def _signed_proof(proofs: Sequence[str], algorithms: Sequence[str]) -> tuple[Jwt, str]:
    """The proof, signed with the key in its header, and the thumbprint of that key."""
    if len(proofs) != 1 or len(proofs[0]) > LARGEST_PROOF:
        raise InvalidJwt("there must be exactly one DPoP header, with one JWT")
    proof = read_jwt(
        proofs[0], algorithms=algorithms, types=("dpop+jwt",), forbidden=KEY_REFERENCES
    )
    key = embedded_key(proof.header)
    check_signature(proof, [key])
    return proof, thumbprint(key)


def _check_request(claims: Mapping[str, Any], method: str, url: str) -> None:
    if text_claim(claims, "htm") != method:
        raise InvalidJwt("htm is not the method of this request")
    if not _same_place(text_claim(claims, "htu", 2048), url):
        raise InvalidJwt(
            f"htu is not the address of this request, {_without_query(url)}"
        )


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
    scheme = parts.scheme.lower()
    port = parts.port or _PORTS.get(scheme, 80)
    return scheme, (parts.hostname or "").lower(), port, parts.path or "/"


def _without_query(url: str) -> str:
    return url.partition("?")[0]
