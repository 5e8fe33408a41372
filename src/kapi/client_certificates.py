"""Client certificates, judged by one X.509 library for all places (RFC 5280 §6).

The identity provider uses it for `tls_client_auth` (RFC 8705 §2.1), the gateway for mTLS at APIs.
A certificate is good when a named authority issued it itself, both are valid now, and both may be
used for TLS clients (extended key usage, RFC 5280 §4.2.1.12; key usage, §4.2.1.3).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy


def in_time(certificate: x509.Certificate, now: float) -> bool:
    """Whether a certificate is valid `now`, in seconds since the epoch (RFC 5280 §4.1.2.5)."""
    first = certificate.not_valid_before_utc.timestamp()
    return first <= now < last_second(certificate)


def last_second(certificate: x509.Certificate) -> int:
    """From when on it has expired, in seconds since the epoch."""
    return int(certificate.not_valid_after_utc.timestamp())


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign other certificates (RFC 5280 §4.2.1.9)."""
    try:
        return certificate.extensions.get_extension_for_class(
            x509.BasicConstraints
        ).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


class Authorities:
    """The certificate authorities of accepted clients; an intermediate one must be listed."""

    def __init__(self, certificates: Iterable[x509.Certificate]) -> None:
        listed = list(certificates)
        self._store = verification.Store(listed) if listed else None

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self._store is not None

    def issued_until(self, leaf: x509.Certificate, now: float) -> int | None:
        """The end of its validity, in seconds since the epoch; None if it is not valid now."""
        if self._store is None:
            return None
        verifier = (
            verification.PolicyBuilder()
            .store(self._store)
            .time(dt.datetime.fromtimestamp(int(now), dt.UTC))
            .max_chain_depth(4)
            .extension_policies(ca_policy=_OF_AUTHORITIES, ee_policy=_OF_CLIENTS)
            .build_client_verifier()
        )
        try:
            chain = verifier.verify(leaf, []).chain
        except (verification.VerificationError, ValueError):
            return None
        return min(map(last_second, chain))


def _is_ca(
    _: verification.Policy, __: x509.Certificate, found: x509.BasicConstraints
) -> None:
    if not found.ca:
        raise ValueError("not an authority")


def _signs(
    _: verification.Policy, __: x509.Certificate, found: x509.KeyUsage | None
) -> None:
    if found is not None and not found.key_cert_sign:
        raise ValueError("its key does not sign certificates")


def _proves(
    _: verification.Policy, __: x509.Certificate, found: x509.KeyUsage | None
) -> None:
    if found is not None and not (found.digital_signature or found.key_agreement):
        raise ValueError("its key proves nothing in a handshake")


def _for_clients(
    _: verification.Policy, __: x509.Certificate, found: x509.ExtendedKeyUsage | None
) -> None:
    accepted = (
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    )
    if found is not None and not any(usage in found for usage in accepted):
        raise ValueError("not for TLS clients")


# Client certificates of companies often have no alternative name, and their authorities no key
# identifier.
_OF_AUTHORITIES = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_ca)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_clients)
)
_OF_CLIENTS = (
    ExtensionPolicy.permit_all()
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _proves)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_clients)
)
