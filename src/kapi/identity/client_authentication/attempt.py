"""An attempt to authenticate a client, as a value."""

from __future__ import annotations

from dataclasses import field

from kapi.dataclass import dataclass
from kapi.errors import OAuthError

CHALLENGE = 'Basic realm="kapi", charset="UTF-8"'


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: the client id, the possible methods, the proof; `mistake` is the error text."""

    client_id: str
    methods: tuple[str, ...]
    secret: str = field(default="", repr=False)
    assertion: str = field(default="", repr=False)
    certificate: str | None = field(default=None, repr=False)
    """Envoy's header about the certificate of this connection."""
    mistake: str = ""


def invalid_client(description: str) -> OAuthError:
    """The error for a client that is not authenticated (RFC 6749 §5.2)."""
    return OAuthError("invalid_client", description, status=401, challenge=CHALLENGE)
