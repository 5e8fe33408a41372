"""Tokens that no verifier may accept, made from an issuer's good one (RFC 8725; the classes of CVEs
of JOSE libraries).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

Sign = Callable[[bytes], bytes]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(
    header: Mapping[str, Any] | bytes, claims: Mapping[str, Any] | bytes, sign: Sign
) -> str:
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode()
        for part in (header, claims)
    ]
    signed = ".".join(map(b64, parts))
    return f"{signed}.{b64(sign(signed.encode()))}"


def rs256(key: rsa.RSAPrivateKey) -> Sign:
    return lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def es256(key: ec.EllipticCurvePrivateKey) -> Sign:
    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    return sign


def rsa_jwk(
    key: rsa.RSAPrivateKey, kid: str | None = None, **more: Any
) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    n = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8)
    return {
        "kty": "RSA",
        **({"kid": kid} if kid else {}),
        "n": b64(n),
        "e": "AQAB",
        **more,
    }


def forged(
    key: rsa.RSAPrivateKey, kid: str, issuer: str, **claims: Any
) -> dict[str, str]:
    """Bad tokens by name: of an issuer whose RS256 key this is. None of them may be accepted
    anywhere.
    """
    now = int(time.time())
    good = {
        "iss": issuer,
        "sub": "me",
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "jti": "attack",
        "scope": "b",
        **claims,
    }
    header = {"alg": "RS256", "typ": "JWT", "kid": kid}
    right, public = rs256(key), key.public_key()
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    pem, pkcs1 = serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    texts = {
        "pem": public.public_bytes(pem, info),
        "pem-stripped": public.public_bytes(pem, info).strip(),
        "pem-pkcs1": public.public_bytes(pem, pkcs1),
        "der": public.public_bytes(serialization.Encoding.DER, info),
        "ssh": public.public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        ),
        "jwk": json.dumps(rsa_jwk(key, kid, use="sig", alg="RS256")).encode(),
        "modulus": rsa_jwk(key)["n"].encode(),
        "empty": b"",
    }
    made = {
        f"hs256-with-{name}": compact({**header, "alg": "HS256"}, good, _hmac(text))
        for name, text in texts.items()
    }
    for alg in ("none", "None", "NONE", "nOnE", "", " none"):
        made[f"alg-{alg!r}"] = compact({**header, "alg": alg}, good, lambda _: b"")
        made[f"alg-{alg!r}-with-signature"] = compact(
            {**header, "alg": alg}, good, right
        )
    made |= {
        "no-alg": compact({"typ": "JWT", "kid": kid}, good, right),
        "alg-is-a-list": compact({**header, "alg": ["RS256"]}, good, right),
        "alg-lower-case": compact({**header, "alg": "rs256"}, good, right),
        "two-segments": ".".join(compact(header, good, right).split(".")[:2]),
        "empty-signature": compact(header, good, lambda _: b""),
        "signature-of-another-key": compact(header, good, rs256(other)),
        "zero-signature": compact(header, good, lambda _: bytes(256)),
        "rs512-header": compact({**header, "alg": "RS512"}, good, right),
        "ps256-of-the-right-key": compact({**header, "alg": "PS256"}, good, _pss(key)),
        "es256-of-another-key": compact({**header, "alg": "ES256"}, good, es256(curve)),
        "es256-zero-signature": compact(
            {**header, "alg": "ES256"}, good, lambda _: bytes(64)
        ),
        "huge-es256-signature": compact(
            {**header, "alg": "ES256"}, good, lambda _: bytes(9000)
        ),
        "embedded-jwk": compact({**header, "jwk": rsa_jwk(other)}, good, rs256(other)),
        "embedded-jwk-without-kid": compact(
            {"alg": "RS256", "jwk": rsa_jwk(other)}, good, rs256(other)
        ),
        "embedded-x5c": compact(
            {
                **header,
                "x5c": [
                    base64.b64encode(
                        public.public_bytes(serialization.Encoding.DER, info)
                    ).decode()
                ],
            },
            good,
            rs256(other),
        ),
        "jku": compact(
            {**header, "jku": "http://127.0.0.1:1/jwks.json"}, good, rs256(other)
        ),
        "x5u": compact(
            {**header, "x5u": "http://127.0.0.1:1/cert.pem"}, good, rs256(other)
        ),
        "unknown-crit": compact({**header, "crit": ["exp2"], "exp2": 1}, good, right),
        "known-looking-crit": compact(
            {**header, "crit": ["exp"], "exp": good["exp"]}, good, right
        ),
        "b64-false": compact({**header, "crit": ["b64"], "b64": False}, good, right),
        "b64-false-without-crit": compact({**header, "b64": False}, good, right),
    }
    for bad in (
        "../../../../dev/null",
        "' OR 1=1 --",
        "a\x00b",
        "\N{SNOWMAN}",
        "k" * 4000,
        "",
        7,
        None,
        ["list"],
    ):
        made[f"kid-{str(bad)[:12]!r}"] = compact(
            {**header, "kid": bad}, good, rs256(other)
        )
    for kind in (
        "id_token+jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "oauth-authz-req+jwt",
        "token-introspection+jwt",
        "JWE",
        "at",
        7,
        ["JWT"],
        {},
        "",
    ):
        made[f"typ-{kind!r}"] = compact({**header, "typ": kind}, good, right)
    made |= _bad_claims(header, good, right)
    token = compact(header, good, right)
    head, body, signature = token.split(".")
    other_alphabet = "-" in signature or "_" in signature
    plain = base64.b64encode(base64.urlsafe_b64decode(signature + "=="))
    admin = {**good, "scope": "admin"}
    made |= {
        "many-dots": "." * 5_000,
        "five-segments": f"{token}.{body}.{signature}",
        "padded": f"{head}=.{body}==.{signature}==",
        "standard-base64": f"{head}.{body}.{plain.decode()}"
        if other_alphabet
        else "x.y.z",
        "other-claims-same-signature": f"{head}.{b64(json.dumps(admin).encode())}.{signature}",
        "huge-header": compact({**header, "x": "y" * 20_000}, good, rs256(other)),
        "deep-header": compact(
            b'{"alg":"RS256","x":' + b"[" * 3000 + b"]" * 3000 + b"}", good, right
        ),
        "header-is-a-list": compact(b"[]", good, right),
        "claims-are-a-list": compact(header, b"[]", right),
        "claims-are-text": compact(header, b'"iss"', right),
        "claims-are-no-json": compact(header, b"{", right),
        "claims-are-no-utf8": compact(header, b'{"iss":"\xff"}', right),
    }
    return made


def _bad_claims(
    header: dict[str, Any], good: dict[str, Any], sign: Sign
) -> dict[str, str]:
    issuer, now = good["iss"], good["iat"]
    changes: dict[str, dict[str, Any]] = {
        "iss-with-a-slash": {
            "iss": issuer.removesuffix("/") if issuer.endswith("/") else issuer + "/"
        },
        "iss-in-capitals": {"iss": issuer.upper()},
        "iss-with-a-space": {"iss": issuer + " "},
        "iss-without-its-end": {"iss": issuer[:-1]},
        "iss-is-a-list": {"iss": [issuer]},
        "iss-is-missing": {"iss": None},
        "expired": {"exp": now - 60},
        "exp-is-zero": {"exp": 0},
        "exp-is-negative": {"exp": -1},
        "exp-is-text": {"exp": str(now + 600)},
        "exp-is-missing": {"exp": None},
        "not-yet": {"nbf": now + 600},
        "nbf-is-text": {"nbf": "tomorrow"},
        "id-token-with-hash": {"at_hash": "x", "nonce": "n", "scope": None},
        "id-token-with-nonce": {"nonce": "n", "scope": None},
        "hybrid-id-token": {"c_hash": "x"},
        "logout-token": {
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}}
        },
        "refresh-token": {"token_type": "refresh_token"},
        "authorization-code": {"token_type": "authorization_code"},
        "session-key": {"token_type": "session_key"},
        "internal-key": {"token_type": "InternalKey"},
        "api-key": {"token_type": "apiKey"},
        "cognito-id-token": {"token_use": "id"},
        "keycloak-refresh-token": {"typ": "Refresh"},
        "keycloak-id-token": {"typ": "ID"},
        "bound-to-a-dpop-key": {
            "cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}
        },
        "bound-to-a-certificate": {
            "cnf": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}
        },
        "bound-to-something-new": {"cnf": {"jwk": {"kty": "oct"}}},
        "bound-to-nothing": {"cnf": {}},
        "bound-to-text": {"cnf": "x"},
        "key-type-of-the-sandbox": {"keytype": "SANDBOX"},
        "key-type-unknown": {"keytype": "NONE"},
    }
    made = {}
    for name, change in changes.items():
        made[name] = compact(
            header,
            {
                key: value
                for key, value in {**good, **change}.items()
                if value is not None
            },
            sign,
        )
    return made


def _hmac(secret: bytes) -> Sign:
    return lambda message: hmac.new(secret, message, hashlib.sha256).digest()


def _pss(key: rsa.RSAPrivateKey) -> Sign:
    return lambda message: key.sign(
        message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()
    )
