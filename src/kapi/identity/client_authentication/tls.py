"""`tls_client_auth` and `self_signed_tls_client_auth` (RFC 8705 §2): certificates, from Envoy."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from kapi.identity.client_authentication.attempt import Attempt
from kapi.identity.client_authentication.method import ClientAuthentication, Method
from kapi.identity.clients.clients import Client
from kapi.settings import IdentitySettings


def tls_client_auth(
    authentication: ClientAuthentication, client: Client, attempt: Attempt, now: int
) -> bool:
    """Issued by a trusted authority, with the registered name (RFC 8705 §2.1.2)."""
    from kapi.identity.possession.certificates import (
        forwarded_certificate,
        names_of,
        same_subject,
    )

    certificate = forwarded_certificate(attempt.certificate)
    if certificate is None or not authentication.authorities().vouch_for(
        certificate, now
    ):
        return False
    settings = client.settings
    if settings.tls_client_auth_subject_dn:
        return same_subject(certificate, settings.tls_client_auth_subject_dn)
    registered = {
        "dns": settings.tls_client_auth_san_dns.lower(),
        "uri": settings.tls_client_auth_san_uri,
        "ip": settings.tls_client_auth_san_ip,
        "email": settings.tls_client_auth_san_email,
    }
    names = names_of(certificate)
    return any(
        value and value in names.get(kind, ()) for kind, value in registered.items()
    )


def self_signed_tls_client_auth(
    authentication: ClientAuthentication, client: Client, attempt: Attempt, now: int
) -> bool:
    """A certificate in the client's key set, by `x5c` or `x5t#S256` (RFC 8705 §2.2.2)."""
    from kapi.client_certificates import in_time
    from kapi.identity.possession.certificates import forwarded_certificate

    certificate = forwarded_certificate(attempt.certificate)
    if certificate is None or not in_time(certificate.leaf, now):
        return False
    der = base64.b64encode(certificate.der).decode("ascii")
    keys = authentication.registry.keys_of(client, None, now)
    return any(_is_of(key, der, certificate.thumbprint) for key in keys)


def _is_of(key: Mapping[str, Any], der: str, thumbprint: str) -> bool:
    """Whether a JWK contains this certificate, or its thumbprint."""
    if key.get("x5t#S256") == thumbprint:
        return True
    chain = key.get("x5c")
    if not isinstance(chain, list) or not chain:
        return False
    first = chain[0]
    return isinstance(first, str) and first.replace("\n", "") == der


def _has_authorities(identity: IdentitySettings) -> bool:
    """Without a certificate authority, no certificate is trusted."""
    return bool(identity.client_ca_file)


TLS_CLIENT_AUTH = Method(
    name="tls_client_auth",
    proves=tls_client_auth,
    uses_secret=False,
    needs_keys=False,
    registrable=True,
    document_clients=False,
    fapi=True,
    offered=_has_authorities,
)
SELF_SIGNED_TLS_CLIENT_AUTH = Method(
    name="self_signed_tls_client_auth",
    proves=self_signed_tls_client_auth,
    uses_secret=False,
    needs_keys=True,
    registrable=True,
    document_clients=True,
    fapi=True,
)
