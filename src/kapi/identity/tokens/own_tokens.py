"""Reads JWTs of this provider: ID tokens as hints, access tokens at UserInfo and introspection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.identity.provider import Provider
from kapi.jose.algorithms import ALGORITHMS, verifies
from kapi.jose.jwt import InvalidJwt, Jwt, media_type, read_jwt_of_any_type

_REMEMBERED = 2000
"""Verified tokens in memory: a resource server asks about the same token many times."""


def own_claims(provider: Provider, token: str) -> Mapping[str, Any] | None:
    """The claims of a JWT of this provider with the type `JWT`, also expired; None for others."""
    jwt = own_jwt(provider, token)
    if jwt is None or media_type(jwt) != "jwt":
        return None
    return jwt.claims


def own_jwt(provider: Provider, token: str) -> Jwt | None:
    """A JWT of this provider of any kind, also expired; None for any other text."""
    jwt = provider.verified.get(token)
    if jwt is None:
        jwt = _verified(provider, token)
        if jwt is None:
            return None
        if len(provider.verified) >= _REMEMBERED:
            provider.verified.clear()
        provider.verified[token] = jwt
    return jwt


def _verified(provider: Provider, token: str) -> Jwt | None:
    try:
        jwt = read_jwt_of_any_type(token, tuple(ALGORITHMS))
    except InvalidJwt:
        return None
    key = provider.keyring.find(jwt.header.get("kid"))
    if key is None or key.algorithm != jwt.header["alg"]:
        return None
    if jwt.claims.get("iss") not in provider.issuers:
        return None
    if not verifies(key.algorithm, key.public, jwt.signing_input, jwt.signature):
        return None
    return jwt
