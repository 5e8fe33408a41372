"""The certificate of the edge: a development authority, and a leaf for all our hosts.

They are made once, below `data_dir/tls`, unless the settings name files. Strict clients accept
them: key identifiers, key usage, extended key usage, at most 398 days (RFC 5280 §4.2, CA/B BR
§6.3.2).
"""

from __future__ import annotations

import datetime as dt
import fcntl
import ipaddress
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kapi.dataclass import dataclass
from kapi.errors import KapiError
from kapi.run_files import write_private
from kapi.settings import Settings

CA_DAYS = 3650
LEAF_DAYS = 397
RENEW_DAYS = 30
_BACKDATE = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Certificate chain and private key of the edge as PEM, and the file of the authority."""

    chain: str
    private_key: str = field(repr=False)
    ca_file: Path


def ensure_certificate(settings: Settings, now: Callable[[], float]) -> Certificate:
    """The certificate, made or renewed if necessary. Several processes may call it at a time.

    Raises KapiError if one is given by files that cannot be used.
    """
    if settings.gateway.certificate_file:
        return _given(
            Path(settings.gateway.certificate_file), settings.gateway.private_key_file
        )
    folder = settings.data_dir / "tls"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    moment = dt.datetime.fromtimestamp(now(), dt.UTC)
    with _alone(folder):
        authority, authority_key = _authority(folder, moment)
        if not _still_good(folder, authority, _hosts(settings), moment):
            _make_leaf(folder, authority, authority_key, _hosts(settings), moment)
        text = (folder / "edge.pem").read_text("ascii")
    key_start = text.index("-----BEGIN PRIVATE KEY-----")
    return Certificate(text[:key_start], text[key_start:], folder / "ca.pem")


def _given(chain: Path, key_file: str) -> Certificate:
    """A certificate that somebody else makes and renews."""
    try:
        text, key_text = chain.read_bytes(), Path(key_file).read_bytes()
        certificate = x509.load_pem_x509_certificate(text)
        key = serialization.load_pem_private_key(key_text, None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        hint = "gateway.certificate_file and gateway.private_key_file are PEM files; no password."
        raise KapiError(
            "start", f"no certificate for the gateway: {error}", hint=hint
        ) from error
    if key.public_key() != certificate.public_key():
        hint = "Name the key of this very certificate in gateway.private_key_file."
        raise KapiError("start", f"{key_file} is not the key of {chain}", hint=hint)
    return Certificate(text.decode("ascii"), key_text.decode("ascii"), chain)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _hosts(settings: Settings) -> tuple[str, ...]:
    names = [
        *settings.provider_hosts,
        *settings.gateway.api_hosts,
        *settings.console_hosts,
    ]
    for domain in settings.gateway.domains:
        names += [f"*.{domain}", f"*.sandbox.{domain}"]
    return tuple(dict.fromkeys((*names, "127.0.0.1", "::1")))


def _authority(
    folder: Path, moment: dt.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key_path, certificate_path = folder / "ca.key", folder / "ca.pem"
    if key_path.exists() and certificate_path.exists():
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        if isinstance(
            key, ec.EllipticCurvePrivateKey
        ) and certificate.not_valid_after_utc - moment > dt.timedelta(days=LEAF_DAYS):
            return certificate, key
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign_authority(key, moment)
    write_private(key_path, _key_pem(key))
    write_private(
        certificate_path, certificate.public_bytes(serialization.Encoding.PEM)
    )
    return certificate, key


def _sign_authority(
    key: ec.EllipticCurvePrivateKey, moment: dt.datetime
) -> x509.Certificate:
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    # Its own name for each authority: clients that once trusted an older one must not mix them up.
    name = x509.Name(
        [
            x509.NameAttribute(
                NameOID.COMMON_NAME,
                f"kapi development CA {identifier.digest.hex()[:8]}",
            )
        ]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
    )
    builder = builder.not_valid_before(moment - _BACKDATE).not_valid_after(
        moment + dt.timedelta(days=CA_DAYS)
    )
    builder = builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    builder = builder.add_extension(
        _usage(signs_certificates=True), critical=True
    ).add_extension(identifier, critical=False)
    return builder.sign(key, hashes.SHA256())


def _make_leaf(
    folder: Path,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    hosts: tuple[str, ...],
    moment: dt.datetime,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    builder = x509.CertificateBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kapi edge")])
    )
    builder = (
        builder.issuer_name(authority.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
    )
    builder = builder.not_valid_before(moment - _BACKDATE).not_valid_after(
        moment - _BACKDATE + dt.timedelta(days=LEAF_DAYS)
    )
    issuer = authority.extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier
    ).value
    for extension, critical in (
        (x509.SubjectAlternativeName(list(map(_general_name, hosts))), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(authority_key, hashes.SHA256())
    # Certificate and key in one file: they are replaced together or not at all.
    write_private(
        folder / "edge.pem",
        certificate.public_bytes(serialization.Encoding.PEM) + _key_pem(key),
    )


def _still_good(
    folder: Path,
    authority: x509.Certificate,
    hosts: tuple[str, ...],
    moment: dt.datetime,
) -> bool:
    path = folder / "edge.pem"
    if not path.exists():
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value
    if (
        list(names) != list(map(_general_name, hosts))
        or certificate.issuer != authority.subject
    ):
        return False
    return certificate.not_valid_after_utc - moment > dt.timedelta(days=RENEW_DAYS)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
