"""Private keys as JWKs (RFC 7517, RFC 7518 §6.2.2, §6.3.2, RFC 8037 §2): those of a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kapi.jose import base64url
from kapi.jose.algorithms import CURVES, PrivateKey


def private_key(jwk: Mapping[str, Any]) -> PrivateKey:
    """The private key of a JWK. Raises ValueError."""
    kty = jwk.get("kty")
    try:
        if kty == "RSA":
            return _rsa_key(jwk)
        if kty == "EC":
            return ec.derive_private_key(_number(jwk, "d"), CURVES[str(jwk["crv"])])
        if kty == "OKP":
            return ed25519.Ed25519PrivateKey.from_private_bytes(
                base64url.decode(str(jwk["d"]))
            )
    except KeyError as error:
        raise ValueError(f"the private JWK has no usable {error.args[0]}") from error
    raise ValueError("the kty of a private JWK must be RSA, EC or OKP")


def _rsa_key(jwk: Mapping[str, Any]) -> PrivateKey:
    public = rsa.RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n"))
    d = _number(jwk, "d")
    if "p" in jwk:
        p, q = _number(jwk, "p"), _number(jwk, "q")
    else:
        p, q = rsa.rsa_recover_prime_factors(public.n, public.e, d)
    numbers = rsa.RSAPrivateNumbers(
        p,
        q,
        d,
        rsa.rsa_crt_dmp1(d, p),
        rsa.rsa_crt_dmq1(d, q),
        rsa.rsa_crt_iqmp(p, q),
        public,
    )
    return numbers.private_key()


def _number(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(base64url.decode(str(jwk[name])))
