"""Signs ID tokens and other JWTs that are not access tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.keys.keyring import Keyring
from kapi.identity.minting.minter import no_key
from kapi.jose.compact import sign_jwt
from kapi.settings import DEFAULT_ALGORITHM


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with the active keys of a keyring."""

    keyring: Keyring

    def sign(
        self,
        claims: Mapping[str, Any],
        media_type: str,
        algorithm: str = DEFAULT_ALGORITHM,
    ) -> str:
        """A signed JWT with this `typ`. Raises OAuthError without a key for the algorithm."""
        try:
            key = self.keyring.active(algorithm)
        except LookupError as error:
            raise no_key(algorithm) from error
        return sign_jwt(key, claims, media_type)
