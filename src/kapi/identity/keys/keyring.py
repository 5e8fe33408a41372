"""Signing keys of the inbuilt provider (RFC 7517): generated on need, stored, loaded as a Keyring.

A key is staged → published → active → retired (`rotation.py`). All but staged keys are in the JWKS,
and the active key of each algorithm signs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from functools import cached_property

from kapi.jose import base64url
from kapi.jose.algorithms import ALGORITHMS
from kapi.jose.jwk import thumbprint
from kapi.jose.signing_keys import (
    SigningKey,
    generate_key,
    load_key,
    public_jwks,
    to_pem,
)
from kapi.settings import DEFAULT_ALGORITHM, ClientSettings, IdentitySettings
from kapi.settings.identity.profiles import with_profile
from kapi.store.keys import ACTIVE, IN_JWKS, Keys, StoredKey


class Keyring:
    """The loaded keys of the JWKS. Immutable: a change makes a new keyring."""

    def __init__(self, stored: Iterable[StoredKey]) -> None:
        """`stored` are the keys of the JWKS."""
        # The default algorithm and the active key first, for clients that use the first key.
        ordered = sorted(
            stored,
            key=lambda key: (key.algorithm != DEFAULT_ALGORITHM, key.state != ACTIVE),
        )
        self._by_kid: dict[str, SigningKey] = {}
        self._active: dict[str, SigningKey] = {}
        for item in ordered:
            key = load_key(item.kid, item.algorithm, item.private_pem)
            self._by_kid[key.kid] = key
            if item.state == ACTIVE:
                self._active[key.algorithm] = key
        self.keys = tuple(self._by_kid.values())

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that have an active key."""
        return tuple(self._active)

    def active(self, algorithm: str = DEFAULT_ALGORITHM) -> SigningKey:
        """The key that signs. Raises LookupError when there is none for the algorithm."""
        return self._active[algorithm]

    def find(self, kid: object) -> SigningKey | None:
        """The key of the JWKS with this kid, or None."""
        if not isinstance(kid, str):
            return None
        return self._by_kid.get(kid)

    @cached_property
    def jwks(self) -> bytes:
        """The public keys as a JWK Set (RFC 7517 §5)."""
        return public_jwks(self.keys)


def wanted_algorithms(identity: IdentitySettings) -> tuple[str, ...]:
    """The algorithms that get a key: those of the provider, its clients and its resources."""
    return tuple(dict.fromkeys((*needed_algorithms(identity), *identity.algorithms)))


def needed_algorithms(identity: IdentitySettings) -> tuple[str, ...]:
    """Those whose keys are generated at the start: used ones, and cheap ones (RSA takes 0.1 s)."""
    named = [DEFAULT_ALGORITHM, identity.access_token_signing_alg]
    named += [resource.access_token_signing_alg for resource in identity.resources]
    named += [name for name in identity.algorithms if name.startswith("E")]
    named += _algorithms_of_clients(identity)
    return tuple(dict.fromkeys(filter(ALGORITHMS.__contains__, named)))


def _algorithms_of_clients(identity: IdentitySettings) -> list[str]:
    """The algorithms that clients registered for responses (RFC 7591 §2 and its registry)."""
    names = [item.name for item in dataclasses.fields(ClientSettings)]
    names = [name for name in names if name.endswith("_signed_response_alg")]
    names.append("access_token_signing_alg")
    found: list[str] = []
    for client in map(with_profile, identity.clients):
        found += [getattr(client, name) for name in names]
    return found


def ensure_keyring(
    keys: Keys, kid: str, now: int, algorithms: Sequence[str] = (DEFAULT_ALGORITHM,)
) -> Keyring:
    """The stored keys. A missing first key is generated; that of the default algorithm is `kid`."""
    stored = set()
    for key in keys.all():
        if key.state == ACTIVE:
            stored.add(key.algorithm)
    names = {DEFAULT_ALGORITHM: kid}
    for algorithm in algorithms:
        if algorithm not in stored:
            keys.add_first(new_key(algorithm, now, ACTIVE, names.get(algorithm, "")))
    return load_keyring(keys)


def load_keyring(keys: Keys) -> Keyring:
    """The keyring of the stored keys."""
    return Keyring(published_keys(keys))


def published_keys(keys: Keys) -> list[StoredKey]:
    """The stored keys of the JWKS."""
    found = []
    for key in keys.all():
        if key.state in IN_JWKS:
            found.append(key)
    return found


def new_key(algorithm: str, now: int, state: str, kid: str = "") -> StoredKey:
    """A new key. Without a `kid`, its name is derived from its thumbprint (RFC 7638)."""
    key = generate_key(kid, algorithm)
    if not kid:
        digest = base64url.decode(thumbprint(key.public_jwk()))
        kid = f"{algorithm.lower()}-{digest.hex()[:16]}"
    return StoredKey(kid, algorithm, state, to_pem(key), now)
