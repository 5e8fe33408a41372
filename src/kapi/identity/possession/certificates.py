"""The client certificate of a request, from Envoy's TLS handshake (RFC 8705).

The gateway removes the header of this name from requests and writes its own. Called by client
authentication and sender constraint.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kapi.client_certificates import Authorities as Named
from kapi.dataclass import dataclass
from kapi.jose import base64url

HEADER = "x-kapi-client-certificate"
"""The gateway's header (`gateway/envoy/resources/routes/scopes.py`): PEM, percent-encoded."""
_LARGEST = 16 * 1024


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client certificate whose key the caller has proved."""

    leaf: x509.Certificate

    @property
    def thumbprint(self) -> str:
        """`x5t#S256` (RFC 8705 §3.1): SHA-256 of the DER, base64url."""
        return base64url.sha256(self.der)

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.leaf.public_bytes(Encoding.DER)


def forwarded_certificate(header: str | None) -> ClientCertificate | None:
    """The certificate in the gateway's header; None without one, or when it is malformed."""
    if not header or len(header) > _LARGEST:
        return None
    return _read(header)


@lru_cache(maxsize=256)
def _read(header: str) -> ClientCertificate | None:
    pem = unquote_to_bytes(header)
    if not pem.startswith(b"-----BEGIN CERTIFICATE-----"):
        return None
    try:
        (leaf,) = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return None
    return ClientCertificate(leaf)


class Authorities:
    """The certificate authorities whose clients may use `tls_client_auth`."""

    def __init__(self, pem: bytes) -> None:
        """`pem` contains their certificates, one after the other; empty trusts no certificate."""
        certificates: list[x509.Certificate] = []
        if pem.strip():
            certificates = x509.load_pem_x509_certificates(pem)
        self._named = Named(certificates)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._named)

    def vouch_for(self, certificate: ClientCertificate, now: int) -> bool:
        """Whether one of them issued it, and it is valid now and for clients.

        An intermediate authority must be among them itself.
        """
        return self._named.issued_until(certificate.leaf, now) is not None


def read_authorities(file: str) -> Authorities:
    """The authorities in a file; none if it cannot be read, or the name is empty."""
    if not file:
        return Authorities(b"")
    try:
        return Authorities(Path(file).read_bytes())
    except (OSError, ValueError):
        # It was readable when the settings were read. Clients with another method still work.
        logging.getLogger("kapi.identity").exception(
            "client_ca_file cannot be read: no client certificate is trusted"
        )
        return Authorities(b"")


def names_of(certificate: ClientCertificate) -> Mapping[str, tuple[str, ...]]:
    """The subject alternative names by kind (RFC 8705 §2.1.2): dns, uri, ip, email."""
    try:
        names = certificate.leaf.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except (x509.ExtensionNotFound, ValueError):
        return {}
    return {
        "dns": tuple(name.lower() for name in names.get_values_for_type(x509.DNSName)),
        "uri": tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        "ip": tuple(map(str, names.get_values_for_type(x509.IPAddress))),
        "email": tuple(names.get_values_for_type(x509.RFC822Name)),
    }


def same_subject(certificate: ClientCertificate, registered: str) -> bool:
    """Whether its subject is this distinguished name (RFC 4514)."""
    try:
        return x509.Name.from_rfc4514_string(registered) == certificate.leaf.subject
    except ValueError:
        return False
