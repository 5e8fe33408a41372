"""`at_hash` and `c_hash` of ID tokens (OpenID Connect Core §3.1.3.6, §3.3.2.11). Pure."""

from __future__ import annotations

import hashlib

from kapi.jose import base64url


def half_hash(algorithm: str, value: str) -> str:
    """The left half of the digest of the ID token's signature algorithm; SHA-512 for EdDSA."""
    name = {"256": "sha256", "384": "sha384", "512": "sha512"}.get(
        algorithm[-3:], "sha512"
    )
    digest = hashlib.new(name, value.encode("ascii")).digest()
    return base64url.encode(digest[: len(digest) // 2])
