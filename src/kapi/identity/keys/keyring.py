"""Signing keys of the inbuilt provider (RFC 7517): generated when they are needed, kept in the store, loaded as a Keyring.

A key is staged → published → active → retired (`rotation.py`). All but staged ones are in the JWKS, and the active key of each
algorithm signs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from functools import cached_property

from kapi.jose import base64url
from kapi.jose.algorithms import ALGORITHMS
from kapi.jose.jwk import thumbprint
from kapi.jose.signing_keys import SigningKey, generate_key, load_key, public_jwks, to_pem
from kapi.settings import DEFAULT_ALGORITHM, ClientSettings, IdentitySettings
from kapi.settings.identity.profiles import with_profile
from kapi.store.keys import ACTIVE, IN_JWKS, Keys, StoredKey


class Keyring:
    """The keys of the JWKS, loaded. Immutable: a change makes a new one, so that a request sees one state or the other."""

    def __init__(self, stored: Iterable[StoredKey]) -> None:
        """`stored` are the keys of the JWKS."""
        # The default algorithm first, the active key before others: clients that take the first key take the right one.
        ordered = sorted(
            stored, key=lambda key: (key.algorithm != DEFAULT_ALGORITHM, key.state != ACTIVE)
        )
        self.keys = tuple(load_key(key.kid, key.algorithm, key.private_pem) for key in ordered)
        self._by_kid = {key.kid: key for key in self.keys}
        active = [key.kid for key in ordered if key.state == ACTIVE]
        self._active = {self._by_kid[kid].algorithm: self._by_kid[kid] for kid in active}

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that have an active key."""
        return tuple(self._active)

    def active(self, algorithm: str = DEFAULT_ALGORITHM) -> SigningKey:
        """The key that signs. Raises LookupError when there is none for the algorithm."""
        return self._active[algorithm]

    def find(self, kid: object) -> SigningKey | None:
        """The key of the JWKS with this kid."""
        return self._by_kid.get(kid) if isinstance(kid, str) else None

    @cached_property
    def jwks(self) -> bytes:
        """The public keys as a JWK Set (RFC 7517 §5)."""
        return public_jwks(self.keys)


def wanted_algorithms(identity: IdentitySettings) -> tuple[str, ...]:
    """The algorithms that get a key: those that the settings name for the provider, its clients and its resources."""
    return tuple(dict.fromkeys((*needed_algorithms(identity), *identity.algorithms)))


def needed_algorithms(identity: IdentitySettings) -> tuple[str, ...]:
    """Those of them whose keys are generated at the start: what is signed with, and what is cheap (an RSA key takes 0.1 s)."""
    named = [
        DEFAULT_ALGORITHM,
        identity.access_token_signing_alg,
        *(resource.access_token_signing_alg for resource in identity.resources),
        *(name for name in identity.algorithms if name.startswith("E")),
        *_algorithms_of_clients(identity),
    ]
    return tuple(dict.fromkeys(name for name in named if name in ALGORITHMS))


def _algorithms_of_clients(identity: IdentitySettings) -> list[str]:
    """The algorithms that clients registered for what they get (RFC 7591 §2 and its registry)."""
    clients = [with_profile(client) for client in identity.clients]
    members = [
        item.name for item in dataclasses.fields(ClientSettings) if _is_signing_alg(item.name)
    ]
    return [getattr(client, name) for client in clients for name in members]


def _is_signing_alg(name: str) -> bool:
    return name.endswith("_signed_response_alg") or name == "access_token_signing_alg"


def ensure_keyring(
    keys: Keys, kid: str, now: int, algorithms: Sequence[str] = (DEFAULT_ALGORITHM,)
) -> Keyring:
    """The keys of the store. A missing first key of an algorithm is generated; that of the default is called `kid`."""
    stored = {key.algorithm for key in keys.all() if key.state == ACTIVE}
    for algorithm in algorithms:
        if algorithm not in stored:
            named = kid if algorithm == DEFAULT_ALGORITHM else ""
            keys.add_first(new_key(algorithm, now, ACTIVE, named))
    return load_keyring(keys)


def load_keyring(keys: Keys) -> Keyring:
    """The keys of the JWKS in the store."""
    return Keyring(published_keys(keys))


def published_keys(keys: Keys) -> list[StoredKey]:
    """The stored keys of the JWKS."""
    return [key for key in keys.all() if key.state in IN_JWKS]


def new_key(algorithm: str, now: int, state: str, kid: str = "") -> StoredKey:
    """A fresh key. Without a `kid`, its name comes from its thumbprint (RFC 7638)."""
    key = generate_key(kid, algorithm)
    if not kid:
        digest = base64url.decode(thumbprint(key.public_jwk()))
        kid = f"{algorithm.lower()}-{digest.hex()[:16]}"
    return StoredKey(kid, algorithm, state, to_pem(key), now)
