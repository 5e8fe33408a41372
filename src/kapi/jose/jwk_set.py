"""The keys of a JWK Set of another server that may verify signatures (RFC 7517 §5, RFC 8037).

A key that is symmetric, private, malformed, too weak or not for signatures is left out, with the
reason; the other keys of the set are used. Called when keys are fetched, for keys that a person
gave, and when the gateway is configured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives import serialization

from kapi.dataclass import dataclass
from kapi.jose.algorithms import PublicKey, algorithms_of, key_type
from kapi.jose.jwk import (
    PUBLIC_MEMBERS,
    InvalidKey,
    check_rsa_size,
    is_for_verification,
    public_key,
    public_members,
)
from kapi.json_reading import NotJson, read_object
from kapi.typed import mapping, text

LARGEST_SET = 100
"""Keys of a set that are read."""
_LONGEST_KID = 512


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, the algorithms that it verifies, and its bare JWK.

    A key without a kid is tried for every token.
    """

    kid: str
    algorithms: tuple[str, ...]
    public: PublicKey
    members: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer, and for each of the others the reason why it is not used."""

    keys: tuple[VerificationKey, ...]
    ignored: tuple[str, ...] = ()

    def jwks(self) -> str:
        """The set as JSON for the gateway, with one entry for each key and algorithm.

        So a token cannot choose the algorithm. The order in which the issuer lists its keys
        means nothing (RFC 7517 §5), so the same keys are always the same text.
        """
        entries = [
            _entry(key, algorithm) for key in self.keys for algorithm in key.algorithms
        ]
        entries.sort(key=_sorted_members)
        return json.dumps({"keys": entries}, separators=(",", ":"), sort_keys=True)

    def find(self, kid: str, algorithm: str) -> tuple[VerificationKey, ...]:
        """The keys that may have signed it; several when an issuer uses one kid twice."""
        return tuple(key for key in self.of(algorithm) if key.kid in {"", kid})

    def of(self, algorithm: str) -> tuple[VerificationKey, ...]:
        """Every key for an algorithm."""
        return tuple(key for key in self.keys if algorithm in key.algorithms)

    @property
    def kids(self) -> tuple[str, ...]:
        """The `kid` values of the set."""
        return tuple(key.kid for key in self.keys)


def read_jwks(content: bytes | str, algorithms: Sequence[str]) -> KeySet:
    """The usable keys of a document. Raises ValueError when it is not a JWK Set at all."""
    try:
        entries = read_object(content).get("keys")
    except NotJson as error:
        raise ValueError(f"the document is not a JWK Set: {error}") from error
    if not isinstance(entries, list):
        what = "the document is not a JWK Set: it has no list `keys` (RFC 7517 5)"
        raise ValueError(what)  # noqa: TRY004 - the value is wrong, whatever its type
    return _key_set(entries, algorithms)


def one_key(pem: str, algorithms: Sequence[str]) -> KeySet:
    """A declared public key as the only one; tokens need no kid. Raises ValueError."""
    public = serialization.load_pem_public_key(pem.encode("ascii"))
    return KeySet((_verification_key(public, "", None, algorithms),))


def _key_set(entries: Iterable[Any], algorithms: Sequence[str]) -> KeySet:
    keys: dict[tuple[str, str], VerificationKey] = {}
    ignored: list[str] = []
    for number, entry in enumerate(entries, 1):
        if number > LARGEST_SET:
            ignored.append(f"only the first {LARGEST_SET} keys are looked at")
            break
        try:
            key = _key(entry, algorithms)
        except InvalidKey as error:
            ignored.append(f"key {_shown(entry, number)}: {error}")
            continue
        # The same key twice is one key. Another key with the same kid is tried too (RFC 7517 §4.5
        # allows it).
        identity = (key.kid, json.dumps(key.members, sort_keys=True))
        keys[identity] = _merged(keys.get(identity, key), key)
    return KeySet(tuple(keys.values()), tuple(ignored))


def _sorted_members(entry: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(entry.items())


def _merged(first: VerificationKey, second: VerificationKey) -> VerificationKey:
    both = dict.fromkeys((*first.algorithms, *second.algorithms))
    return replace(second, algorithms=tuple(both))


def _shown(entry: Any, number: int) -> str:
    kid = text(mapping(entry).get("kid"))
    if kid:
        return repr(kid[:64])
    return f"number {number}"


def _entry(key: VerificationKey, algorithm: str) -> dict[str, str]:
    named = {}
    if key.kid:
        named = {"kid": key.kid}
    return {**key.members, **named, "use": "sig", "alg": algorithm}


def _key(entry: Any, algorithms: Sequence[str]) -> VerificationKey:
    if not isinstance(entry, dict):
        raise InvalidKey("it is not a JSON object")
    for is_usable, mistake in _RULES:
        if not is_usable(entry):
            raise InvalidKey(mistake)
    return _verification_key(
        public_key(entry), entry.get("kid", ""), entry.get("alg"), algorithms
    )


def _is_asymmetric(jwk: Mapping[str, Any]) -> bool:
    return jwk.get("kty") != "oct"


def _has_known_type(jwk: Mapping[str, Any]) -> bool:
    return str(jwk.get("kty")) in PUBLIC_MEMBERS


def _is_public(jwk: Mapping[str, Any]) -> bool:
    return "d" not in jwk


def _has_short_kid(jwk: Mapping[str, Any]) -> bool:
    kid = jwk.get("kid", "")
    return isinstance(kid, str) and len(kid) <= _LONGEST_KID


_RULES: Sequence[tuple[Callable[[Mapping[str, Any]], bool], str]] = (
    (_is_asymmetric, "it is symmetric"),
    (_has_known_type, "its type is unknown"),
    (_is_public, "its private half is published, so anybody may sign with it"),
    (is_for_verification, "it is not for signatures"),
    (_has_short_kid, "its kid is not a short text"),
)
"""What a key must be, in the order of the checks, and why it is left out otherwise."""


def _verification_key(
    public: Any, kid: str, alg: Any, algorithms: Sequence[str]
) -> VerificationKey:
    """The key, with the algorithms that its type, its `alg` and the issuer allow."""
    kty, crv = key_type(public)
    able = algorithms_of(kty, crv)
    if not able:
        raise InvalidKey("its curve or type is not supported")
    if kty == "RSA":
        check_rsa_size(public.key_size)
    if alg == "Ed25519":
        alg = "EdDSA"  # RFC 9864
    accepted = [name for name in able if name in algorithms]
    allowed = [name for name in accepted if alg in (None, name)]
    if not allowed:
        raise InvalidKey(_not_accepted(alg, able, accepted))
    return VerificationKey(kid, tuple(allowed), public, public_members(public))


def _not_accepted(alg: Any, able: Sequence[str], accepted: Sequence[str]) -> str:
    if alg in able and accepted:
        # Providers publish keys for PS256 that say RS256.
        return (
            f"its alg says {alg}, and from this issuer {', '.join(accepted)} is accepted;"
            " a key is used for its own alg only (RFC 7517 4.4):"
            f" accept {alg}, or let the provider publish the key with alg {accepted[0]} or"
            " without alg"
        )
    return f"its algorithm ({alg or able[0]}) is not accepted from this issuer"
