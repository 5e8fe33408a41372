"""Reads JWTs of this provider: ID tokens as hints, access tokens at UserInfo and introspection."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kapi.identity.keys.keyring import Keyring
from kapi.jose.algorithms import ALGORITHMS, verifies
from kapi.jose.jwt import InvalidJwt, Jwt, media_type, read_jwt_of_any_type

_REMEMBERED = 2000
"""Verified tokens in memory: a resource server asks about the same token many times."""


class OwnJwts:
    """Reads the JWTs that a keyring has signed, and remembers those it has verified."""

    def __init__(self, keyring: Keyring, issuers: Collection[str]) -> None:
        """`issuers` are the accepted values of `iss`."""
        self._keyring = keyring
        self._issuers = issuers
        self._verified: dict[str, Jwt] = {}

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """The claims of a JWT with the type `JWT`, also expired; None for others."""
        jwt = self.read(token)
        if jwt is None or media_type(jwt) != "jwt":
            return None
        return jwt.claims

    def read(self, token: str) -> Jwt | None:
        """A JWT of any kind, also expired; None for any other text."""
        jwt = self._verified.get(token)
        if jwt is None:
            jwt = self._verify(token)
            if jwt is None:
                return None
            if len(self._verified) >= _REMEMBERED:
                self._verified.clear()
            self._verified[token] = jwt
        return jwt

    def _verify(self, token: str) -> Jwt | None:
        try:
            jwt = read_jwt_of_any_type(token, tuple(ALGORITHMS))
        except InvalidJwt:
            return None
        key = self._keyring.find(jwt.header.get("kid"))
        if key is None or key.algorithm != jwt.header["alg"]:
            return None
        if jwt.claims.get("iss") not in self._issuers:
            return None
        if not verifies(key.algorithm, key.public, jwt.signing_input, jwt.signature):
            return None
        return jwt
