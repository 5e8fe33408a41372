"""Names shared by the renderers and the stream: resource types, resource names, filter names."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from kapi.apis.secrets import SecretId
from kapi.dataclass import dataclass

_TYPES = "type.googleapis.com/"
CLUSTER = _TYPES + "envoy.config.cluster.v3.Cluster"
LISTENER = _TYPES + "envoy.config.listener.v3.Listener"
SCOPE = _TYPES + "envoy.config.route.v3.ScopedRouteConfiguration"
EXTENSION = _TYPES + "envoy.config.core.v3.TypedExtensionConfig"
SECRET = _TYPES + "envoy.extensions.transport_sockets.tls.v3.Secret"

JWT_FILTER = "envoy.filters.http.jwt_authn"
"""Also the name of its ECDS resource: per-route settings are found by this name."""
ROUTER_FILTER = "envoy.filters.http.router"

LOOPBACK = "loopback"
"""Name of the listener by which the control process reaches backends, on a Unix socket."""
COUNTERS = "ledger"
"""Name of the listener for the control process, on a Unix socket."""
REJECTED_TOKENS = "refusals"
"""Cluster of the log of rejected tokens."""
FAULT = "fault/"
"""With an issuer's name: metadata of the token filter, why that issuer's provider rejected."""
LIMITS = "limits"
"""Cluster of the process that counts limits with other nodes; `wasm/admission` names it too."""
EDGE = "edge"
"""Name of the listener, and prefix of its statistics."""
EDGE_HTTP3 = "edge_http3"
CERTIFICATE = "edge_certificate"
IDENTITY = "identity"
CONTROL = "control"

URL_HEADER = "x-kapi-url"
"""Host and path that the caller used, without the query: for the scope key, the log and spans.

The backend gets it too: what is removed before the backend is not there for the log.
"""

ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}

_NAMES = tuple(
    re.compile(kind + rb"_[0-9a-f]{16}")
    for kind in (b"backend", b"secret", b"credential")
)
"""One for each kind: Python finds a text ten times as fast if it begins with fixed letters."""


def typed(type_name: str, **fields: Any) -> dict[str, Any]:
    """An `Any` of this message type."""
    return {"@type": _TYPES + type_name, **fields}


def backend_name(content: dict[str, Any]) -> str:
    """A name derived from the content: equal backends share a cluster."""
    return (
        "backend_"
        + hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    )


def secret_id(secret: SecretId) -> str:
    """The mark of a scope that was rendered with a secret; it has no name of a secret."""
    return "secret_" + hashlib.sha256(json.dumps(secret).encode()).hexdigest()[:16]


def credential_name(secret: SecretId) -> str:
    """The resource by which a filter of Envoy gets the value of a secret."""
    return secret_id(secret).replace("secret_", "credential_", 1)


@dataclass(frozen=True, slots=True)
class Names:
    """What an encoded scope names."""

    backends: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    credentials: frozenset[str] = frozenset()
    """Resources with the value of a secret."""


NOTHING = Names()


def names_in(body: bytes) -> Names:
    """The backend clusters, secrets and credentials that an encoded scope names."""
    return Names(*(frozenset(map(bytes.decode, name.findall(body))) for name in _NAMES))
