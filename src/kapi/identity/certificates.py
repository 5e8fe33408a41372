"""The client certificate of a request, as Envoy saw it in the TLS handshake (RFC 8705).

Envoy removes any `x-forwarded-client-cert` that a client sends and writes its own, so this header is never the client's word.
What it says of the certificate is not used: the certificate itself is read. Called by client authentication and sender constraint.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

HEADER = "x-forwarded-client-cert"
_LARGEST = 32 * 1024


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate that the other side of the connection has the key of, and the chain it sent with it."""

    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def thumbprint(self) -> str:
        """`x5t#S256` (RFC 8705 §3.1): SHA-256 of the DER, base64url."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.der).digest()).rstrip(b"=").decode("ascii")

    @property
    def der(self) -> bytes:
        """The certificate itself."""
        return self.leaf.public_bytes(Encoding.DER)


def forwarded_certificate(header: str | None) -> ClientCertificate | None:
    """The certificate in Envoy's header; None when there is none or it cannot be read."""
    if not header or len(header) > _LARGEST:
        return None
    return _read(header)


@lru_cache(maxsize=256)
def _read(header: str) -> ClientCertificate | None:
    fields = _fields(header)
    if fields is None or "cert" not in fields:
        return None
    try:
        (leaf,) = x509.load_pem_x509_certificates(unquote_to_bytes(fields["cert"]))
        sent = x509.load_pem_x509_certificates(unquote_to_bytes(fields["chain"])) if fields.get("chain") else []
    except ValueError:
        return None
    return ClientCertificate(leaf, tuple(item for item in sent if item != leaf)[:10])


def _fields(header: str) -> Mapping[str, str] | None:
    """`key=value;key="value"` of one element; None when there is more than one element, or a key twice."""
    made: dict[str, str] = {}
    rest = header
    while rest:
        name, equals, rest = rest.partition("=")
        if not equals:
            return None
        if rest.startswith('"'):
            value, rest = _quoted(rest)
        else:
            end = next((place for place, letter in enumerate(rest) if letter in ";,"), len(rest))
            value, rest = rest[:end], rest[end:]
        # By, Hash, URI and DNS may repeat; the certificate may not.
        if name.lower() in made and name.lower() in {"cert", "chain"}:
            return None
        made[name.lower()] = value
        if rest and not rest.startswith(";"):
            return None
        rest = rest[1:]
    return made


def _quoted(text: str) -> tuple[str, str]:
    """A quoted value and what follows it; a backslash takes the next letter as it is."""
    value, place = "", 1
    while place < len(text) and text[place] != '"':
        place += text[place] == "\\"
        value += text[place : place + 1]
        place += 1
    return value, text[place + 1 :]


class Authorities:
    """The certificate authorities whose clients may use `tls_client_auth`."""

    def __init__(self, pem: bytes) -> None:
        """`pem` holds their certificates, one after the other; empty trusts nobody."""
        self._store = verification.Store(x509.load_pem_x509_certificates(pem)) if pem.strip() else None

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self._store is not None

    def vouch_for(self, certificate: ClientCertificate, now: int) -> bool:
        """Whether one of them issued it, through the chain sent with it, and it is valid now and for clients."""
        if self._store is None or not _for_clients(certificate.leaf):
            return False
        anything = verification.ExtensionPolicy.permit_all()
        verifier = (
            verification.PolicyBuilder()
            .store(self._store)
            .time(dt.datetime.fromtimestamp(now, dt.UTC))
            .max_chain_depth(4)
            # Client certificates of companies often have no alternative name; their issuers must still be authorities.
            .extension_policies(ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=anything)
            .build_client_verifier()
        )
        try:
            verifier.verify(certificate.leaf, list(certificate.chain))
        except (verification.VerificationError, ValueError):
            return False
        return True


def _for_clients(leaf: x509.Certificate) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage


def names_of(certificate: ClientCertificate) -> Mapping[str, tuple[str, ...]]:
    """The subject alternative names, by the member of RFC 8705 §2.1.2 that registers one: dns, uri, ip, email."""
    try:
        names = certificate.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
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
