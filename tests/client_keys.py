"""What clients hold, for tests: keys, JWTs signed with them (well or badly), certificates, and the
gateway's header about one.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from joserfc import jws
from joserfc.jwk import ECKey, JWKRegistry, OctKey, OKPKey, RSAKey

BEGIN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


@cache
def key(algorithm: str = "ES256", name: str = "one") -> Any:
    """A private key for an algorithm; the same for the same name."""
    parameters = {"kid": f"{algorithm}-{name}", "alg": algorithm, "use": "sig"}
    if algorithm.startswith("ES"):
        return ECKey.generate_key(
            {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm],
            parameters,
        )
    if algorithm == "EdDSA":
        return OKPKey.generate_key("Ed25519", parameters)
    return RSAKey.generate_key(2048, parameters)


def public(*keys: Any) -> dict[str, Any]:
    return {"keys": [item.as_dict(private=False) for item in keys]}


def signed(
    claims: Any, by: Any, header: dict[str, Any] | None = None, algorithm: str = ""
) -> str:
    """A JWT, whatever its header and claims say; `by` is a joserfc key or bytes of a secret."""
    by = OctKey.import_key(by) if isinstance(by, bytes) else by
    algorithm = algorithm or by.get("alg") or "HS256"
    full = {
        "alg": algorithm,
        **({"kid": by.kid} if by.get("kid") else {}),
        **(header or {}),
    }
    full = {name: value for name, value in full.items() if value is not None}
    parts = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (full, claims)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signature = (
            jws.JWSRegistry(algorithms=[algorithm]).get_alg(algorithm).sign(parts, by)
        )
    return (
        f"{parts.decode()}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    )


def proof(
    by: Any,
    method: str,
    url: str,
    now: int,
    token: str = "",
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    """A DPoP proof; a claim given as None is left out."""
    jwk = {
        name: value
        for name, value in by.as_dict(private=False).items()
        if name not in {"kid", "use", "alg"}
    }
    made = {
        "jti": base64.b16encode(
            hashlib.sha256(repr((method, url, now, token, claims)).encode()).digest()
        ).decode()[:20]
    }
    made |= {"htm": method, "htu": url, "iat": now}
    if token:
        made["ath"] = (
            base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest())
            .rstrip(b"=")
            .decode()
        )
    made = {name: value for name, value in (made | claims).items() if value is not None}
    return signed(
        made, by, {"typ": "dpop+jwt", "jwk": jwk, "kid": None} | (header or {})
    )


def thumbprint(by: Any) -> str:
    return JWKRegistry.import_key(by.as_dict(private=False)).thumbprint()


@dataclass(frozen=True, slots=True)
class Certificate:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def x5c(self) -> str:
        return base64.b64encode(
            self.certificate.public_bytes(serialization.Encoding.DER)
        ).decode()

    @property
    def x5t(self) -> str:
        digest = hashlib.sha256(
            self.certificate.public_bytes(serialization.Encoding.DER)
        ).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    @property
    def forwarded(self) -> str:
        """What the gateway says of it."""
        return quote(self.pem.decode(), safe="")


def certificate(
    name: str,
    issuer: Certificate | None = None,
    *,
    authority: bool = False,
    end: dt.datetime = END,
    for_servers: bool = False,
    named: bool = True,
) -> Certificate:
    own = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test, Inc."),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    signing = issuer.key if issuer else own
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(end)
        .add_extension(
            x509.BasicConstraints(ca=authority, path_length=None), critical=True
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
            critical=False,
        )
    )
    if authority:
        usage = dict.fromkeys(
            (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = builder.add_extension(
            x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True
        )
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False
        )
    else:
        purpose = (
            ExtendedKeyUsageOID.SERVER_AUTH
            if for_servers
            else ExtendedKeyUsageOID.CLIENT_AUTH
        )
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([purpose]), critical=False
        )
        names = [
            x509.DNSName(f"{name}.example"),
            x509.UniformResourceIdentifier(f"spiffe://test/{name}"),
        ]
        builder = (
            builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            if named
            else builder
        )
    return Certificate(builder.sign(signing, hashes.SHA256()), own)
