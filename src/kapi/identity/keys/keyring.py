"""Signing keys (RFC 7517): made when they are needed, kept in the store, held ready as key objects in a Keyring.

A key is staged → published → active → retired (`rotation.py` moves it): published ones stand in the JWKS, the active one of
each algorithm signs. Loading a key costs a hundred signatures when it is validated; ours are loaded without, since we made them.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson
from cryptography.hazmat.primitives import serialization

from kapi.jose.signing import ALGORITHMS, Private, Public, public_members
from kapi.settings import DEFAULT_ALGORITHM, IdentitySettings
from kapi.settings.profiles import with_profile
from kapi.store.keys import ACTIVE, IN_JWKS, Keys, StoredKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key pair, for one algorithm. `kid` names it in token headers and in the JWKS."""

    kid: str
    algorithm: str
    private: Private = field(repr=False)
    state: str = ACTIVE

    @property
    def public(self) -> Public:
        """The public half."""
        return self.private.public_key()

    def sign(self, message: bytes) -> bytes:
        """A JWS signature (RFC 7518 §3)."""
        return ALGORITHMS[self.algorithm].sign(self.private, message)

    def public_jwk(self) -> dict[str, Any]:
        """The public half as a JWK, never a private member."""
        members = public_members(self.algorithm, self.private.public_key())
        return {
            "kty": members.pop("kty"),
            "kid": self.kid,
            "use": "sig",
            "alg": self.algorithm,
            **members,
        }


class Keyring:
    """The keys of one moment. Immutable: a change makes a new one, so a request sees one state or the other."""

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        """`keys` are those of the JWKS."""
        # The default algorithm first, the active key before others: clients that take the first key take the right one.
        self.keys = tuple(
            sorted(keys, key=lambda key: (key.algorithm != DEFAULT_ALGORITHM, key.state != ACTIVE))
        )
        self._active = {key.algorithm: key for key in self.keys if key.state == ACTIVE}
        self._by_kid = {key.kid: key for key in self.keys}

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What can be signed with now."""
        return tuple(self._active)

    def active(self, algorithm: str = DEFAULT_ALGORITHM) -> SigningKey:
        """The key that signs. Raises LookupError when there is none for the algorithm."""
        return self._active[algorithm]

    def find(self, kid: object) -> SigningKey | None:
        """A published key."""
        return self._by_kid.get(kid) if isinstance(kid, str) else None

    @cached_property
    def jwks(self) -> bytes:
        """The public keys as a JWK Set (RFC 7517 §5)."""
        return jwks(self.keys)


def wanted_algorithms(identity: IdentitySettings) -> tuple[str, ...]:
    """The algorithms there shall be a key for: what the settings name, for the provider, its clients and resources."""
    return tuple(dict.fromkeys((*needed_algorithms(identity), *identity.algorithms)))


def needed_algorithms(identity: IdentitySettings) -> tuple[str, ...]:
    """Those of them that must be there from the first moment, and those whose keys cost nothing to make (RSA takes a tenth of a second)."""
    of_clients = (
        getattr(client, item.name)
        for client in map(with_profile, identity.clients)
        for item in dataclasses.fields(client)
        # RFC 7591 §2 and its registry: what a client wants its answers signed with.
        if item.name.endswith("_signed_response_alg") or item.name == "access_token_signing_alg"
    )
    of_resources = (item.access_token_signing_alg for item in identity.resources)
    named = (
        identity.access_token_signing_alg,
        *of_resources,
        *(name for name in identity.algorithms if name[0] == "E"),
        *of_clients,
    )
    return tuple(
        dict.fromkeys((DEFAULT_ALGORITHM, *(name for name in named if name in ALGORITHMS)))
    )


def ensure_keyring(
    keys: Keys, kid: str, now: int, algorithms: Sequence[str] = (DEFAULT_ALGORITHM,)
) -> Keyring:
    """The keys of the store. The first key of each algorithm is made when there is none; the default's is called `kid`."""
    stored = {key.algorithm for key in keys.all() if key.state == ACTIVE}
    for algorithm in algorithms:
        if algorithm not in stored:
            keys.add_first(
                new_key(algorithm, now, ACTIVE, kid if algorithm == DEFAULT_ALGORITHM else "")
            )
    return load_keyring(keys)


def load_keyring(keys: Keys) -> Keyring:
    """The keys of the JWKS as they stand in the store."""
    return Keyring(load_key(key) for key in keys.all() if key.state in IN_JWKS)


def new_key(algorithm: str, now: int, state: str, kid: str = "") -> StoredKey:
    """A fresh key; its thumbprint (RFC 7638) is its name unless `kid` is."""
    private = ALGORITHMS[algorithm].make()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    members = public_members(algorithm, private.public_key())
    digest = hashlib.sha256(orjson.dumps(members, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return StoredKey(
        kid or f"{algorithm.lower()}-{digest[:16]}", algorithm, state, pem.decode("ascii"), now
    )


def jwks(keys: Sequence[SigningKey]) -> bytes:
    """The public keys as a JWK Set (RFC 7517 §5)."""
    return orjson.dumps({"keys": [key.public_jwk() for key in keys]})


def etag(document: bytes) -> str:
    """A strong entity tag of a document (RFC 9110 §8.8.3)."""
    return f'"{hashlib.sha256(document).hexdigest()[:32]}"'


def load_key(stored: StoredKey) -> SigningKey:
    """A key object of a stored key."""
    key: Any = serialization.load_pem_private_key(
        stored.private_pem.encode("ascii"), None, unsafe_skip_rsa_key_validation=True
    )
    return SigningKey(stored.kid, stored.algorithm, key, stored.state)
