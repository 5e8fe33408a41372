"""A JSON Web Key Set as another server publishes it (RFC 7517, RFC 8037), reduced to keys that may verify signatures.

Pure. What is not for signatures, is symmetric, private, too weak or malformed is left out, each with its reason; the others
of the same set are used all the same. Called when keys are fetched, and for keys that were given by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from kapi.jose.signing import Public, public_members
from kapi.json_reading import NotJson, read_json

LARGEST_SET = 100
"""Keys of a set that are looked at."""
LEAST_RSA_BITS = 2048
MOST_RSA_BITS = 8192
"""A larger key is a way to make every verification slow."""
_LONGEST_KID = 512
_PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class _Unusable(Exception):
    """Why one key is left out."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, what it may verify, and its bare JWK. A key without a kid is tried for every token."""

    kid: str
    algorithms: tuple[str, ...]
    public: Public
    members: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer, and why others are not."""

    keys: tuple[VerificationKey, ...]
    ignored: tuple[str, ...] = ()

    def jwks(self) -> str:
        """The set as JSON for the gateway: one entry per key and algorithm, so that a token cannot choose."""
        entries = [
            {**key.members, **({"kid": key.kid} if key.kid else {}), "use": "sig", "alg": algorithm}
            for key in self.keys
            for algorithm in key.algorithms
        ]
        return json.dumps({"keys": entries}, separators=(",", ":"), sort_keys=True)

    def find(self, kid: str, algorithm: str) -> tuple[VerificationKey, ...]:
        """The keys that may have signed it; several when an issuer uses one kid twice."""
        return tuple(
            key for key in self.keys if key.kid in {"", kid} and algorithm in key.algorithms
        )

    def of(self, algorithm: str) -> tuple[VerificationKey, ...]:
        """Every key for an algorithm."""
        return tuple(key for key in self.keys if algorithm in key.algorithms)

    @property
    def kids(self) -> tuple[str, ...]:
        """The key ids."""
        return tuple(key.kid for key in self.keys)


def read_jwks(content: bytes | str, algorithms: Sequence[str]) -> KeySet:
    """The usable keys of a document. Raises ValueError when it is not a JWK Set at all."""
    try:
        value = read_json(content)
    except NotJson as error:
        raise ValueError("the document is not JSON") from error
    entries = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the document is not a JWK Set: it has no list `keys` (RFC 7517 5)")  # noqa: TRY004 - its value is wrong, whatever its type
    return _key_set(entries, algorithms)


def one_key(pem: str, algorithms: Sequence[str]) -> KeySet:
    """A public key given by hand as the only one; tokens need no kid. Raises ValueError when it cannot be used."""
    public = serialization.load_pem_public_key(pem.encode("ascii"))
    try:
        return KeySet((_of(public, "", {}, algorithms),))
    except _Unusable as error:
        raise ValueError(str(error)) from error


def _key_set(entries: Iterable[Any], algorithms: Sequence[str]) -> KeySet:
    keys: dict[tuple[str, str], VerificationKey] = {}
    ignored: list[str] = []
    for number, entry in enumerate(entries):
        if number >= LARGEST_SET:
            ignored.append(f"only the first {LARGEST_SET} keys are looked at")
            break
        kid = entry.get("kid") if isinstance(entry, dict) else None
        shown = repr(kid[:64]) if isinstance(kid, str) else f"number {number + 1}"
        try:
            key = _key(entry, algorithms)
        except _Unusable as error:
            ignored.append(f"key {shown}: {error}")
            continue
        except (ValueError, KeyError, TypeError, JoseError, RecursionError):
            ignored.append(f"key {shown}: it is malformed")
            continue
        # The same key twice is one key; another key with the same kid is tried too (RFC 7517 §4.5 allows it).
        place = (key.kid, json.dumps(key.members, sort_keys=True))
        if place in keys:
            key = replace(
                key, algorithms=tuple(dict.fromkeys((*keys[place].algorithms, *key.algorithms)))
            )
        keys[place] = key
    return KeySet(tuple(keys.values()), tuple(ignored))


def _key(entry: Any, algorithms: Sequence[str]) -> VerificationKey:
    if not isinstance(entry, dict):
        raise _Unusable("it is not a JSON object")
    kty, kid, operations = entry.get("kty"), entry.get("kid", ""), entry.get("key_ops", ["verify"])
    if kty == "oct":
        raise _Unusable("it is symmetric")
    if not isinstance(kty, str) or kty not in _PUBLIC:
        raise _Unusable("its type is unknown")
    if "d" in entry:
        raise _Unusable("its private half is published, so anybody may sign with it")
    if (
        entry.get("use", "sig") != "sig"
        or not isinstance(operations, list)
        or "verify" not in operations
    ):
        raise _Unusable("it is not for signatures")
    if not isinstance(kid, str) or len(kid) > _LONGEST_KID:
        raise _Unusable("its kid is not a short text")
    members = {name: entry[name] for name in _PUBLIC[kty]}
    if (
        kty == "RSA"
        and isinstance(members["n"], str)
        and len(members["n"]) < LEAST_RSA_BITS // 8 * 4 // 3
    ):
        raise _Unusable(f"RSA of fewer than {LEAST_RSA_BITS} bits")
    public: Any = JWKRegistry.import_key({"kty": kty, **members}).public_key
    return _of(public, kid, entry, algorithms)


def _of(
    public: object, kid: str, entry: Mapping[str, Any], algorithms: Sequence[str]
) -> VerificationKey:
    """The key with what it may verify: what its type can, its own `alg` allows, and the issuer is allowed."""
    if isinstance(public, rsa.RSAPublicKey):
        if not LEAST_RSA_BITS <= public.key_size <= MOST_RSA_BITS:
            raise _Unusable(
                f"RSA of {public.key_size} bits; it must have {LEAST_RSA_BITS} to {MOST_RSA_BITS}"
            )
        able: tuple[str, ...] = _RSA
    elif isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
        able = (_CURVES[public.curve.name],)
    elif isinstance(public, ed25519.Ed25519PublicKey):
        able = ("EdDSA",)
    else:
        raise _Unusable("its curve or type is not supported")
    own = entry.get("alg")
    own = "EdDSA" if own == "Ed25519" else own  # RFC 9864
    allowed = tuple(name for name in able if name in algorithms and own in {None, name})
    if not allowed:
        raise _Unusable(_not_accepted(own, able, algorithms))
    return VerificationKey(kid, allowed, public, public_members(allowed[0], public))


def _not_accepted(own: object, able: Sequence[str], algorithms: Sequence[str]) -> str:
    fitting = [name for name in able if name in algorithms]
    if own in able and fitting:
        # Providers publish keys for PS256 that say RS256.
        return (
            f"its alg says {own}, and from this issuer {', '.join(fitting)} is accepted;"
            " a key is used for its own alg only (RFC 7517 4.4):"
            f" accept {own}, or let the provider publish the key with alg {fitting[0]} or without alg"
        )
    return f"its algorithm ({own or able[0]}) is not accepted from this issuer"
