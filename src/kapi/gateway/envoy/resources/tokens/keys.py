"""Which keys of an issuer may verify tokens, and with which algorithm. Pure.

RFC 7517 §4, RFC 7518 §3, RFC 8725 §3.1.

Envoy takes the algorithm from the token where a key does not say its own; so every key it gets says
one.
"""

from __future__ import annotations

from collections.abc import Sequence

from kapi.jose.jwk_set import read_jwks


def verifying_keys(jwks: str, algorithms: Sequence[str]) -> str:
    """The JWK Set with one entry for each key and algorithm; public members only.

    Empty when no key is left: Envoy does not accept a set without keys, and one key that it
    cannot read makes it refuse the keys of every issuer.
    """
    try:
        keys = read_jwks(jwks, algorithms)
    except ValueError:
        return ""
    if keys.keys:
        return keys.jwks()
    return ""
