"""Client certificates are judged as OpenSSL judges them (`openssl verify -purpose sslclient`)."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kapi.client_certificates import Authorities

NOW = dt.datetime.now(dt.UTC)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
CLIENT_BYTES = "\x06\x08+\x06\x01\x05\x05\x07\x03\x02"
"""The DER of clientAuth."""


@dataclass
class Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issued(
    text: str,
    by: Issued | None = None,
    *extensions: x509.ExtensionType,
    days: tuple[int, int] = (-1, 30),
) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = by.certificate.subject if by else name(text)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(text))
        .issuer_name(issuer)
        .public_key(key.public_key())
    )
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(
        NOW + dt.timedelta(days=days[0])
    ).not_valid_after(NOW + dt.timedelta(days=days[1]))
    for extension in extensions:
        critical = isinstance(
            extension,
            x509.BasicConstraints | x509.KeyUsage | x509.UnrecognizedExtension,
        )
        builder = builder.add_extension(extension, critical=critical)
    return Issued(builder.sign(by.key if by else key, hashes.SHA256()), key)


def usage(
    *, signs: bool = False, certifies: bool = False, encrypts: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=encrypts,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certifies,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def extended(*usages: x509.ObjectIdentifier) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage(usages)


CA = x509.BasicConstraints(ca=True, path_length=None)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
LEAVES: dict[str, tuple[bool, Callable[[Issued], Issued]]] = {
    "plain": (True, lambda ca: issued("plain", ca)),
    "for clients": (True, lambda ca: issued("client", ca, extended(CLIENT))),
    "for both": (True, lambda ca: issued("both", ca, extended(SERVER, CLIENT))),
    "for servers": (False, lambda ca: issued("server", ca, extended(SERVER))),
    "for servers, with other bytes in its name": (
        False,
        lambda ca: issued(CLIENT_BYTES, ca, extended(SERVER)),
    ),
    "for servers, with other bytes in a name of it": (
        False,
        lambda ca: issued(
            "x",
            ca,
            extended(SERVER),
            x509.SubjectAlternativeName([x509.OtherName(CLIENT, b"\x05\x00")]),
        ),
    ),
    "a key that signs": (True, lambda ca: issued("signs", ca, usage(signs=True))),
    "a key that encrypts": (
        False,
        lambda ca: issued("encrypts", ca, usage(encrypts=True)),
    ),
    "expired": (False, lambda ca: issued("expired", ca, days=(-30, -1))),
    "not valid yet": (False, lambda ca: issued("future", ca, days=(1, 30))),
    "an unknown critical extension": (False, lambda ca: issued("unknown", ca, UNKNOWN)),
    "of a namesake": (False, lambda ca: issued("x", issued("partners", None, CA))),
    "of an intermediate authority": (
        False,
        lambda ca: issued("x", issued("between", ca, CA)),
    ),
    "of a client": (
        False,
        lambda ca: issued("x", issued("client", ca, extended(CLIENT))),
    ),
    "self-signed": (False, lambda ca: issued("partners")),
}
AUTHORITIES: dict[str, tuple[bool, Callable[[], Issued]]] = {
    "plain": (True, lambda: issued("partners", None, CA)),
    "with its usage": (
        True,
        lambda: issued("partners", None, CA, usage(certifies=True, signs=True)),
    ),
    "for clients": (True, lambda: issued("partners", None, CA, extended(CLIENT))),
    "for servers": (False, lambda: issued("partners", None, CA, extended(SERVER))),
    "whose key does not sign certificates": (
        False,
        lambda: issued("partners", None, CA, usage(signs=True)),
    ),
    "expired": (False, lambda: issued("partners", None, CA, days=(-30, -1))),
}


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def openssl_accepts(folder: Path, authority: Issued, leaf: Issued) -> bool:
    (folder / "ca.pem").write_bytes(pem(authority.certificate))
    (folder / "leaf.pem").write_bytes(pem(leaf.certificate))
    command = [
        "openssl",
        "verify",
        "-purpose",
        "sslclient",
        "-no-CApath",
        "-CAfile",
        str(folder / "ca.pem"),
        str(folder / "leaf.pem"),
    ]
    return (
        subprocess.run(command, capture_output=True, timeout=20, check=False).returncode
        == 0
    )


@pytest.mark.parametrize("what", LEAVES)
def test_a_client_certificate(tmp_path: Path, what: str) -> None:
    good, make = LEAVES[what]
    authority = issued("partners", None, CA)
    leaf = make(authority)
    until = Authorities([authority.certificate]).issued_until(
        leaf.certificate, NOW.timestamp()
    )
    assert (until is not None) == good == openssl_accepts(tmp_path, authority, leaf)


@pytest.mark.parametrize("what", AUTHORITIES)
def test_an_authority(tmp_path: Path, what: str) -> None:
    good, make = AUTHORITIES[what]
    authority = make()
    leaf = issued("client", authority, extended(CLIENT))
    until = Authorities([authority.certificate]).issued_until(
        leaf.certificate, NOW.timestamp()
    )
    assert (until is not None) == good == openssl_accepts(tmp_path, authority, leaf)


def test_a_verdict_ends_with_the_first_of_both() -> None:
    authority = issued("partners", None, CA, days=(-1, 5))
    leaf = issued("client", authority, days=(-1, 30))
    until = Authorities([authority.certificate]).issued_until(
        leaf.certificate, NOW.timestamp()
    )
    assert until == int(authority.certificate.not_valid_after_utc.timestamp())


def test_any_extended_key_usage_is_for_clients_too() -> None:
    authority = issued("partners", None, CA)
    leaf = issued(
        "client", authority, extended(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    )
    assert Authorities([authority.certificate]).issued_until(
        leaf.certificate, NOW.timestamp()
    )


def test_without_authorities_no_certificate_is_good() -> None:
    leaf = issued("partners", None, CA)
    assert not Authorities(())
    assert Authorities(()).issued_until(leaf.certificate, NOW.timestamp()) is None
