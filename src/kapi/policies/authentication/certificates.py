"""Client certificates that an API accepts (apk-conf `authentication` of type mTLS). Pure.

A certificate of an authority accepts every certificate that it issued itself; any other is accepted
alone (pinned). SNI is not the Host header, so this is decided on the route, never by the TLS
handshake alone. The enforcer judges (`gateway/enforcer/certificates.py`). Used by
`authentication.py`.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kapi.policies.contract import HttpFilter, Phase, Place
from kapi.policies.lua import script

if TYPE_CHECKING:
    from cryptography import x509

FILTER = "kapi.filters.http.certificate"
ENFORCER = "control"
"""The cluster of the control process."""
PATH = "/enforcer/certificate"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
_SCRIPT = script("json", "sha256", "key_rules", "certificate")
CHECK = HttpFilter(
    Phase.AUTHENTICATE,
    FILTER,
    {
        "@type": _LUA,
        "clear_route_cache": False,
        "default_source_code": {"inline_string": _SCRIPT},
    },
    disabled=True,
)


def per_route(pems: Iterable[str], place: Place) -> dict[str, Any]:
    """The configuration of one route."""
    # Here: most APIs have none, and importing it is a quarter of importing all policies.
    from cryptography.hazmat.primitives.hashes import SHA256

    from kapi.client_certificates import is_authority

    certificates = [certificate for pem in pems for certificate in _certificates(pem)]
    pinned = (item for item in certificates if not is_authority(item))
    authorities = filter(is_authority, certificates)
    accepted = {
        "pinned": sorted(item.fingerprint(SHA256()).hex() for item in pinned),
        "authorities": sorted(map(_text, authorities)),
    }
    # The script goes on with what the certificate is.
    question = json.dumps(accepted, separators=(",", ":")).removesuffix("}")
    gateway = place.gateway
    context: dict[str, Any] = {
        "set": hashlib.sha256(question.encode()).hexdigest(),
        "question": question,
        "cluster": ENFORCER,
        "path": PATH,
        "timeout": gateway.enforcer.timeout * 1000,
    }
    if gateway.client_certificate_header:
        context |= {
            "header": gateway.client_certificate_header.lower(),
            "fronts": list(gateway.trusted_fronts),
        }
        if not gateway.header_certificate_dates:
            context["undated"] = True
    return {"@type": f"{_LUA}PerRoute", "filter_context": context}


def _certificates(pem: str) -> list[x509.Certificate]:
    """None where there is no certificate (an export knows no secrets): then no caller is accepted.

    A deployment is refused before.
    """
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return []


def _text(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii")
