"""Client certificates that an API accepts (apk-conf `authentication` of type mTLS), for the script that checks them. Pure.

A certificate of an authority accepts every certificate that it issued itself; any other is accepted alone (pinned). SNI is not the
Host header, so this is decided on the route, never by the TLS handshake alone. Used by `authentication.py`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from kapi.policies.contract import HttpFilter, Phase
from kapi.policies.lua import script

FILTER = "kapi.filters.http.certificate"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
_SCRIPT = script("sha256", "key_rules", "certificate")
CHECK = HttpFilter(
    Phase.AUTHENTICATE,
    FILTER,
    {"@type": _LUA, "clear_route_cache": False, "default_source_code": {"inline_string": _SCRIPT}},
    disabled=True,
)


def per_route(pems: Iterable[str], header: str = "", fronts: Iterable[str] = ()) -> dict[str, Any]:
    """The configuration of one route. `header` is where trusted fronts put the certificate; empty means the connection only."""
    certificates = [certificate for pem in pems for certificate in _certificates(pem)]
    context: dict[str, Any] = {
        "pinned": sorted(item.fingerprint(hashes.SHA256()).hex() for item in certificates if not is_authority(item)),
        "authorities": [_authority(item) for item in certificates if is_authority(item)],
    }
    if header:
        context |= {"header": header.lower(), "fronts": list(fronts)}
    return {"@type": f"{_LUA}PerRoute", "filter_context": {name: value for name, value in context.items() if value}}


def _certificates(pem: str) -> list[x509.Certificate]:
    """None where there is no certificate (an export knows no secrets): then nobody is accepted. A deployment is refused before."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return []


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign other certificates (RFC 5280 §4.2.1.9)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _authority(certificate: x509.Certificate) -> dict[str, Any]:
    key = certificate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "key": b64encode(key).decode("ascii"),
        "subject": b64encode(certificate.subject.public_bytes()).decode("ascii"),
        "till": int(certificate.not_valid_after_utc.timestamp()),
    }
