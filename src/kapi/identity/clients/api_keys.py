"""API keys: JWTs in API Manager's form or opaque texts, checked by the gateway.

Called by the system API. A JWT key has an issuer and a signing key of its own, so that it is not
accepted as an access token, nor an access token as an API key. Only a SHA-256 digest of an opaque
key is stored: it has 256 random bits, so a slow hash is not needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.jose import base64url
from kapi.jose.compact import sign_jwt
from kapi.jose.signing_keys import generate_key, load_key, public_jwks, to_pem
from kapi.store.engine.database import Database
from kapi.store.gateway.api_keys import NEVER, ApiKeys, StoredApiKey
from kapi.store.revocations import Revocations

ALGORITHM = "RS256"
_FOREVER = 253_402_300_799
"""The last second of the year 9999: a key that does not expire stays revoked until then."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The requested key. `apis` are (name, version) pairs, `*` is all; `lifetime` is in seconds.

    A lifetime of 0 does not expire.
    """

    apis: tuple[tuple[str, str], ...]
    application: str = "default"
    kind: str = "jwt"
    key_type: str = "PRODUCTION"
    permitted_ip: tuple[str, ...] = ()
    permitted_referer: tuple[str, ...] = ()
    lifetime: int = 0
    tier: str = "Unlimited"


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key: shown once."""

    text: str
    key: StoredApiKey

    def __repr__(self) -> str:
        return f"Issued({self.key.id!r})"


class ApiKeyIssuer:
    """Issues and revokes keys. Safe to share between threads."""

    def __init__(
        self,
        keys: ApiKeys,
        revocations: Revocations,
        issuer: str,
        now: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._keys = keys
        self._revocations = revocations
        self.issuer = issuer
        self._now = now
        self._random = random_bytes
        kid, pem = keys.signer(self._make_signer)
        self._key = load_key(kid, ALGORITHM, pem)

    @classmethod
    def of(
        cls,
        api_host: str,
        database: Database,
        now: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> ApiKeyIssuer:
        """The issuer of this platform, named after the host of its system APIs."""
        return cls(
            ApiKeys(database),
            Revocations(database),
            f"https://{api_host}/api-keys",
            now,
            random_bytes,
        )

    def jwks(self) -> str:
        """The public key that verifies JWT keys."""
        return public_jwks([self._key]).decode("ascii")

    def issue(self, wanted: Wanted, organization: str, subject: str) -> Issued:
        """A new key for an organization's APIs."""
        now = int(self._now())
        key_id = self._random(8).hex()
        claims = self._claims(wanted, organization, subject, key_id, now)
        expires = NEVER
        if wanted.lifetime:
            expires = claims["exp"] = now + wanted.lifetime
        if wanted.kind == "jwt":
            text, digest = sign_jwt(self._key, claims), ""
        else:
            secret = base64url.encode(self._random(32))
            text, digest = (
                f"kapi_{key_id}_{secret}",
                hashlib.sha256(secret.encode()).hexdigest(),
            )
        key = StoredApiKey(
            key_id, organization, wanted.kind, digest, claims, now, expires
        )
        self._keys.add(key)
        return Issued(text, key)

    def list(self, organization: str) -> tuple[StoredApiKey, ...]:
        """The organization's keys, without their secrets."""
        return self._keys.list(organization)

    def revoke(self, key_id: str, organization: str) -> None:
        """Revoke a key. Raises Problem 404 when the organization has none with that id."""
        key = self._keys.get(key_id, organization)
        if key is None:
            raise Problem.of(
                error_codes.NOT_FOUND,
                f"{key_id[:64]} not found",
                hint="See the keys: kapi api-key list.",
            )
        self._revocations.revoke(
            key.id, key.expires_at or _FOREVER, "api key", issuer=self.issuer
        )
        self._keys.revoke(key.id)

    def _claims(
        self, wanted: Wanted, organization: str, subject: str, key_id: str, now: int
    ) -> dict[str, Any]:
        uuid = UUID(
            bytes=hashlib.sha256(
                f"{organization}/{wanted.application}".encode()
            ).digest()[:16],
            version=4,
        )
        return {
            "iss": self.issuer,
            "sub": subject,
            "organization": organization,
            "application": {
                "uuid": str(uuid),
                "name": wanted.application,
                "tier": wanted.tier,
                "owner": subject,
            },
            "subscribedAPIs": [
                {"name": name, "version": version, "subscriptionTier": wanted.tier}
                for name, version in wanted.apis
            ],
            "keytype": wanted.key_type,
            "token_type": "apiKey",
            "permittedIP": ",".join(wanted.permitted_ip),
            "permittedReferer": ",".join(wanted.permitted_referer),
            "iat": now,
            "jti": key_id,
        }

    def _make_signer(self) -> tuple[str, str, int]:
        key = generate_key(f"api-keys-{self._random(4).hex()}", ALGORITHM)
        return key.kid, to_pem(key), int(self._now())
