"""JWTs that we signed ourselves, when they come back: ID tokens as hints, access tokens at UserInfo and introspection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.identity.foreign_jwt import Unusable, check_signature, read_jwt
from kapi.identity.provider import Provider
from kapi.identity.signing import ALGORITHMS


def own_claims(provider: Provider, token: str, types: tuple[str, ...] = ("jwt",)) -> Mapping[str, Any] | None:
    """The claims of a JWT of ours, however old; None for any other text. `types` are the values of `typ`, in lower case."""
    try:
        jwt = read_jwt(token, algorithms=ALGORITHMS, types=types)
        key = provider.keyring.find(jwt.header.get("kid"))
        if key is None or key.algorithm != jwt.header["alg"] or jwt.claims.get("iss") != provider.settings.identity.issuer:
            return None
        check_signature(jwt, [key.public_jwk()])
    except Unusable:
        return None
    return jwt.claims
