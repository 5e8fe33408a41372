"""JWTs that we signed ourselves, when they come back: ID tokens as hints, access tokens at UserInfo and introspection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.identity.foreign_jwt import Unusable, read_jwt, signature_parts
from kapi.identity.provider import Provider
from kapi.identity.signatures import signed
from kapi.identity.signing import ALGORITHMS


def own_claims(provider: Provider, token: str, types: tuple[str, ...] = ("jwt",)) -> Mapping[str, Any] | None:
    """The claims of a JWT of ours, however old; None for any other text. `types` are the values of `typ`, in lower case."""
    try:
        jwt = read_jwt(token, algorithms=ALGORITHMS, types=types)
        key = provider.keyring.find(jwt.header.get("kid"))
        if key is None or key.algorithm != jwt.header["alg"] or jwt.claims.get("iss") != provider.settings.identity.issuer:
            return None
        message, signature = signature_parts(jwt)
    except Unusable:
        return None
    # Our key stands ready as an object; making one of a JWK would cost more than the check itself.
    return jwt.claims if signed(key.algorithm, key.private.public_key(), message, signature) else None
