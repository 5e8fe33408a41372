"""Keys and certificate authorities that a person gives by hand, as PEM text (RFC 7468)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization

if TYPE_CHECKING:
    from cryptography import x509

_PEM = serialization.Encoding.PEM
_LARGEST = 256 * 1024


def key_of_certificate(text: str) -> str:
    """The public key of the first certificate, as PEM. Raises ValueError.

    Its dates are not checked: it only contains the key.
    """
    return _public(trusted_certificates(text)[0].public_key())


def key_of_pem(text: str) -> str:
    """A public key, as PEM. Raises ValueError, also when the text holds a private key."""
    if "PRIVATE KEY" in text:
        raise ValueError(
            "this is a private key: give the public one, and replace this one"
        )
    try:
        return _public(serialization.load_pem_public_key(_bytes(text)))
    except Exception as error:
        raise ValueError("this is not a public key") from error


def trusted_certificates(text: str) -> list[x509.Certificate]:
    """The certificates in the text, at least one. Raises ValueError, also for a private key."""
    if "PRIVATE KEY" in text:
        raise ValueError("there is a private key in it: give the certificate alone")
    # Takes a tenth of the start of a provider for tests.
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(_bytes(text))
    except ValueError as error:
        raise ValueError("this is not a certificate") from error


def _bytes(text: str) -> bytes:
    if len(text) > _LARGEST:
        raise ValueError("this is too large")
    return text.encode("utf-8", "replace")


def _public(key: object) -> str:
    if not hasattr(key, "public_bytes"):
        raise ValueError("this is not a public key")
    content: bytes = key.public_bytes(
        _PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return content.decode("ascii")
