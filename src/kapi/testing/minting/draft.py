"""A token that is not signed yet, and the ways to sign it, wrong ones too. Pure.

The compact serialization of RFC 7515 §7.1, without its checks.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from cryptography.hazmat.primitives import serialization

from kapi.dataclass import dataclass
from kapi.jose import base64url
from kapi.jose.algorithms import ALGORITHMS
from kapi.jose.signing_keys import SigningKey, load_key
from kapi.testing.powers.private_jwk import private_key

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}

Change = Callable[[str], str]
"""Changes the whole token after it is signed."""


@dataclass
class Draft:
    """Header, claims and key of a token to make. Recipes change it."""

    header: dict[str, Any]
    claims: dict[str, Any]
    key: SigningKey
    """The key of the issuer that signs its tokens."""
    other: Callable[[], SigningKey]
    """Makes a key that no JWKS contains."""
    secret: bytes | None = None
    """Signs with HMAC instead, when set (RFC 7518 §3.2)."""
    unsigned: bool = False
    payload: str | None = None
    """The payload as it is, in place of the claims: it may be anything."""
    raw_header: str | None = None
    """The header as it is: it may be no JSON."""
    changes: list[Change] = field(default_factory=list)

    def public_pem(self) -> bytes:
        """The public key of the issuer as text, as a careless verifier passes it to HMAC."""
        return self.key.public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self) -> str:
        """Sign the draft; return the token."""
        header, payload = _json(self.header), _json(self.claims)
        if self.raw_header is not None:
            header = self.raw_header
        if self.payload is not None:
            payload = self.payload
        text = f"{_part(header)}.{_part(payload)}"
        token = f"{text}.{base64url.encode(self._signature(text.encode()))}"
        for change in self.changes:
            token = change(token)
        return token

    def _signature(self, message: bytes) -> bytes:
        if self.unsigned:
            return b""
        if self.secret is not None:
            digest = _DIGESTS.get(str(self.header.get("alg")), hashlib.sha256)
            return hmac.digest(self.secret, message, digest)
        return self.key.sign(message)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _part(text: str) -> str:
    return base64url.encode(text.encode("utf-8", "surrogateescape"))


def merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The members with changes; None removes one."""
    made = {**before, **changes}
    found = {}
    for name, value in made.items():
        if value is not None:
            found[name] = value
    return found


def use_key(draft: Draft, wish: Any) -> None:
    """Let a draft be signed as the caller wishes. Raises ValueError.

    `own`, `other` (a key that no JWKS contains), `none`, `hs256:SECRET`, a PEM text, or a JWK.
    """
    if wish in ("own", "", None):
        return
    if wish == "none":
        draft.unsigned = True
        draft.header.setdefault("alg", "none")
    elif wish == "other":
        draft.key = draft.other()
        draft.header |= {"kid": draft.key.kid, "alg": draft.key.algorithm}
    elif isinstance(wish, str) and wish[:2].lower() == "hs" and ":" in wish:
        algorithm, _, secret = wish.partition(":")
        draft.secret = secret.encode()
        draft.header["alg"] = algorithm.upper()
    else:
        _use_given(draft, wish)


def _use_given(draft: Draft, wish: Any) -> None:
    algorithm = str(draft.header.get("alg", "RS256"))
    kid = str(draft.header.get("kid", ""))
    if isinstance(wish, Mapping):
        algorithm, kid = str(wish.get("alg", algorithm)), str(wish.get("kid", kid))
        draft.key = SigningKey(kid, algorithm, private_key(wish))
    elif isinstance(wish, str) and "PRIVATE KEY" in wish:
        draft.key = load_key(kid, algorithm, wish)
    else:
        raise ValueError(
            "the key must be own, other, none, hs256:SECRET, a private key in PEM or a private JWK"
        )
    if algorithm not in ALGORITHMS:
        raise ValueError(
            f"{algorithm!r} is not a signature algorithm: {', '.join(ALGORITHMS)}"
        )
    draft.header["alg"] = algorithm
    if kid:
        draft.header["kid"] = kid
