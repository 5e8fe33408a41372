"""Attacks on a verifier of tokens, by an outsider who has a token and the public key only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from standin import Key, b64

MINE = Key.make("mine")


def _decoded(part: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    )
    return value


def _part(value: Any) -> str:
    return b64(json.dumps(value).encode())


def _secrets(jwk: dict[str, Any]) -> dict[str, bytes]:
    """The public key in every form somebody might use it as an HMAC secret (CVE-2016-10555 and its
    kin).
    """
    secrets = {
        "its JWK": json.dumps(jwk).encode(),
        "nothing": b"",
        "its kid": str(jwk.get("kid")).encode(),
    }
    if jwk["kty"] == "RSA":
        numbers = (
            int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "=="))
            for name in ("e", "n")
        )
        public = rsa.RSAPublicNumbers(*numbers).public_key()
        pem, spki = (
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
        secrets["its PEM"] = public.public_bytes(pem, spki)
        secrets["its PEM, stripped"] = secrets["its PEM"].strip()
        secrets["its DER"] = public.public_bytes(serialization.Encoding.DER, spki)
        secrets["its PKCS#1 PEM"] = public.public_bytes(
            pem, serialization.PublicFormat.PKCS1
        )
        secrets["its SSH text"] = public.public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        secrets["its modulus"] = base64.urlsafe_b64decode(jwk["n"] + "==")
    return secrets


def attacks(token: str, jwk: dict[str, Any], elsewhere: str) -> dict[str, str]:
    """Tokens that must be refused; `elsewhere` is a server of the attacker that nobody may ask."""
    head, body, signature = token.split(".")
    header, claims = _decoded(head), _decoded(body)
    found: dict[str, str] = {}
    for alg in ("none", "None", "nOnE", "NONE", ""):
        unsigned = _part({**header, "alg": alg})
        found[f"alg {alg!r} without a signature"] = f"{unsigned}.{body}."
        found[f"alg {alg!r} with the old signature"] = f"{unsigned}.{body}.{signature}"
    for name, secret in _secrets(jwk).items():
        for alg, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
            signed = f"{_part({**header, 'alg': alg})}.{body}"
            found[f"{alg} with {name} as the secret"] = (
                f"{signed}.{b64(hmac.new(secret, signed.encode(), digest).digest())}"
            )
    keys: dict[str, dict[str, Any]] = {
        "its own key in the header": {"jwk": MINE.jwk()},
        "its own key set's address": {"jku": f"{elsewhere}/jwks"},
        "its own certificate's address": {"x5u": f"{elsewhere}/x.pem"},
        "its own certificate": {"x5c": [b64(b"certificate")]},
        "the issuer's kid": {"kid": header.get("kid", "k")},
        "a path as kid": {"kid": "../../../../dev/null"},
        "SQL as kid": {"kid": "x' UNION SELECT 'secret' --"},
        "an address as kid": {"kid": f"{elsewhere}/jwks"},
        "no kid": {"kid": ...},
        "an empty kid": {"kid": ""},
        "a number as kid": {"kid": 7},
        "a list as kid": {"kid": ["a"]},
        "a NUL in kid": {"kid": "a\x00b"},
    }
    for name, extra in keys.items():
        found[f"signed by the attacker, {name}"] = MINE.token(
            claims, **{"typ": header.get("typ", ...), **extra}
        )
    found |= {
        "other claims": f"{head}.{_part({**claims, 'sub': 'admin'})}.{signature}",
        "another header": f"{_part({**header, 'x': 1})}.{body}.{signature}",
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "four parts": f"{token}.x",
        "a longer signature": f"{token}AAAA",
        "a signature cut short": token[:-8],
        "a signature of zeros": f"{head}.{body}.{b64(bytes(64))}",
        "a huge signature": f"{head}.{body}.{b64(bytes(9000))}",
        "a critical extension": f"{_part({**header, 'crit': ['x'], 'x': 1})}.{body}.{signature}",
        "ten thousand dots": "." * 10_000,
    }
    return found
