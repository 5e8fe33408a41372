"""What goes into a grant and what comes out of it: values that the token endpoint hands on. Called by every file in `grants/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kapi.identity.clients.clients import Client
from kapi.identity.possession.confirmation import UNBOUND, Confirmation
from kapi.identity.protocol.forms import Form
from kapi.identity.tokens.minting import AccessToken


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token request whose client is known. `now` in seconds since the epoch."""

    client: Client
    form: Form
    scope: str
    """What may be granted of what was asked for."""
    now: int
    confirmation: Confirmation = UNBOUND
    """What the client proved to hold; the pipeline binds the access token to it, a grant its refresh tokens."""
    resources: tuple[str, ...] = ()
    """Resource indicators in the token request; the client may ask for them (RFC 8707)."""
    details: tuple[Any, ...] = ()
    """Authorization details in the token request; well-formed (RFC 9396)."""


@dataclass(frozen=True, slots=True)
class Issuance:
    """What a grant decided to issue. `extra` are further members of the answer (`refresh_token`, `id_token`, …)."""

    access: AccessToken
    extra: Mapping[str, Any] = field(default_factory=dict)
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    with_token: Callable[[str], Mapping[str, Any]] | None = None
    """Members that depend on the signed access token, such as an ID token with its `at_hash`."""
