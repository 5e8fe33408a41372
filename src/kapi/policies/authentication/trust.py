"""Whose credentials a route accepts, as a name: the word between the routes and the token filter.

Pure. A route names what it needs (kinds of credentials, organization, environment); the renderer of
the token filter finds these names in the encoded routes and makes a requirement for each, from the
issuers that serve that organization and environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kapi.dataclass import dataclass

_NAME = re.compile(rb"kapi:([bdmjko]+):([a-z0-9-]*):([a-z0-9-]*);")
BEARER = "b"
"""An access token in `Authorization: Bearer`."""
DPOP = "d"
"""An access token in `Authorization: DPoP`, on routes that check proofs."""
MOVED_BEARER = "m"
"""An access token that came in another header or in the query."""
RAW_JWT = "j"
"""An access token without a scheme before it."""
API_KEY = "k"
OPTIONAL = "o"
"""No credential is fine too; a bad one is not."""

OWN_PREFIX = "x-kapi-"
ISSUER_HEADER = "x-kapi-iss"
JTI_HEADER = "x-kapi-jti"
"""Claims of the verified token, for the filters after it."""
THUMBPRINT_HEADER = "x-kapi-x5t"
"""The certificate that the verified token is bound to (RFC 8705 §3.1)."""
PEER_HEADER = "x-kapi-peer"
"""What is known of the client's certificate, on routes that ask for one."""
MOVED_BEARER_HEADER = "x-kapi-bearer"
MOVED_QUERY_HEADER = "x-kapi-query"
MOVED_JWT_HEADER = "x-kapi-jwt"
MOVED_KEY_HEADER = "x-kapi-key"
"""Credentials that came elsewhere than in `Authorization: Bearer`, brought to one place."""
OWN_HEADERS = (
    *(ISSUER_HEADER, JTI_HEADER, THUMBPRINT_HEADER, PEER_HEADER),
    *(MOVED_BEARER_HEADER, MOVED_QUERY_HEADER, MOVED_JWT_HEADER, MOVED_KEY_HEADER),
)
"""Removed before the backend; what a client sends by these names is removed at the edge."""


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """What a route accepts: `kinds` is a word of the letters above."""

    kinds: str
    organization: str
    environment: str

    @property
    def name(self) -> str:
        """The requirement's name."""
        return f"kapi:{self.kinds}:{self.organization}:{self.environment};"


def needs_in(bodies: Iterable[bytes]) -> frozenset[Need]:
    """The needs that encoded resources name."""
    return frozenset(
        Need(*(part.decode("ascii") for part in found))
        for body in bodies
        for found in _NAME.findall(body)
    )
