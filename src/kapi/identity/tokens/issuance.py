"""The input and the output of a grant at the token endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.clients.clients import Client
from kapi.identity.minting.minter import AccessToken
from kapi.identity.possession.confirmation import UNBOUND, Confirmation
from kapi.identity.protocol.forms import Form


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token request of an authenticated client. `now` is in seconds since the epoch."""

    client: Client
    form: Form
    scope: str
    """The requested scopes, which the client may have."""
    now: int
    confirmation: Confirmation = UNBOUND
    """The key that the client proved: access tokens are bound to it, refresh tokens may be."""
    resources: tuple[str, ...] = ()
    """Resource indicators of the token request, which the client may have (RFC 8707)."""
    details: tuple[Any, ...] = ()
    """Authorization details in the token request; well-formed (RFC 9396)."""


@dataclass(frozen=True, slots=True)
class Issuance:
    """The tokens to issue. `extra` are further members of the answer, such as `refresh_token`."""

    access: AccessToken
    extra: Mapping[str, Any] = field(default_factory=dict)
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    with_token: Callable[[str], Mapping[str, Any]] | None = None
    """Members that depend on the signed access token, such as an ID token with its `at_hash`."""
